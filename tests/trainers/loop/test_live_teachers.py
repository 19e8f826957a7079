"""Teachers that go along with what the student sees."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tests.trainers.cases import CPU, Diary
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.classification.entry import CLASSIFICATION
from trainers.classification.networks.build import build_model
from trainers.classification.task import Classification
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.settings import (
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    Training,
)

SHAPE, CLASSES = (1, 9, 8), 4
NETWORKS = (ModelSpec("mlp", {"hidden": (6,)}), ModelSpec("plain_cnn", {"depth": 2, "width": 4}))
LANES = 3


def _weights(network: ModelSpec, seed: int) -> Weights:
    model = build_model(network, SHAPE, CLASSES, [torch.Generator().manual_seed(seed)])
    return {name: tensor[0].numpy() for name, tensor in model.state_dict().items()}


WEIGHTS = [[_weights(network, 10 * lane + m) for m, network in enumerate(NETWORKS)]
           for lane in range(LANES)]  # fmt: skip


def _live(weights: Sequence[Sequence[Weights]] = WEIGHTS) -> LiveTeachers:
    data = _data(list(range(len(weights))))
    return LiveTeachers(NETWORKS, weights, data, Classification(), CLASSIFICATION)


def _logits(live: LiveTeachers, x: torch.Tensor) -> torch.Tensor:
    """(L, M, B, C)."""
    return torch.stack([output.logits for output in live.outputs(x)], dim=1)


def _alone(network: ModelSpec, weights: Weights, x: torch.Tensor) -> torch.Tensor:
    model = build_model(network, SHAPE, CLASSES, [torch.Generator()])
    model.load_state_dict({k: torch.as_tensor(v).unsqueeze(0) for k, v in weights.items()})
    return model.eval()(x.unsqueeze(0)).logits[0]


def test_each_lane_asks_its_own_teachers() -> None:
    x = torch.randn(LANES, 5, *SHAPE, generator=torch.Generator().manual_seed(0))
    found = _logits(_live(), x)
    assert found.shape == (LANES, 2, 5, CLASSES)
    assert not found.requires_grad
    for lane in range(LANES):
        for m, network in enumerate(NETWORKS):
            assert torch.equal(found[lane, m], _alone(network, WEIGHTS[lane][m], x[lane]))


def test_lanes_that_leave_change_nothing_for_the_others() -> None:
    x = torch.randn(LANES, 5, *SHAPE, generator=torch.Generator().manual_seed(0))
    live = _live()
    expected = _logits(live, x)[[0, 2]]
    live.keep(torch.tensor([0, 2]))
    assert torch.equal(_logits(live, x[[0, 2]]), expected)


def test_weights_that_lack_a_parameter_are_refused() -> None:
    with pytest.raises(KeyError):
        _live([WEIGHTS[0][::-1]])


def _dataset() -> Dataset:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, *SHAPE)).astype(np.float32)
    return Dataset(inputs, rng.integers(0, CLASSES, 60), CLASSES)


def _data(seeds: list[int]) -> LaneData:
    sources = [LaneSource(seed, Labels("symmetric", 0.2), ("a", "b")) for seed in seeds]
    logits = {name: np.zeros((60, CLASSES), np.float32) for name in ("a", "b")}
    fractions, treatment = SplitFractions(0.5, 0.1, 0.2, 0.2), Treatment(augment="crop_flip")
    return LaneData(_dataset(), fractions, sources, logits, CPU, treatment)


def _cohort(seeds: list[int], live: LiveTeachers | None) -> Cohort:
    spec = CohortSpec(
        "fixed_kd",
        ModelSpec("mlp", {"hidden": (5,)}),
        Training(2, 16, 0.9, True, "cosine"),
        Selection("accuracy", maximize=True),
    )
    values = {"alpha": 1.0, "temperature": 2.0}
    return Cohort(spec, [Lane(f"s{seed}", seed, values) for seed in seeds], _data(seeds), live)


def test_augmented_students_need_the_teachers_themselves() -> None:
    with pytest.raises(ValueError, match="give the teachers themselves"):
        _cohort([1], None)


def test_students_learn_from_what_the_teachers_see_now() -> None:
    together, alone = Diary({"s0": 1}), Diary()
    _cohort([0, 1, 2], _live()).train(together)
    _cohort([2], _live(WEIGHTS[2:])).train(alone)
    assert together.rows["s2"] == alone.rows["s2"]
    # From the kept logits, all zero here, they would learn something else.
    other = Diary()
    zero = [[{k: np.zeros_like(v) for k, v in m.items()} for m in WEIGHTS[2]]]
    _cohort([2], _live(zero)).train(other)
    assert other.rows["s2"] != alone.rows["s2"]

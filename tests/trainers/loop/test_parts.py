"""Batches in parts, of a classifier: they are the whole, or are refused."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch

from tests.trainers.cases import (
    CPU,
    FRACTIONS,
    Diary,
    Shape,
    lively_trials,
    made_up_dataset,
    make_cohort,
    weights,
)
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.classification.entry import CLASSIFICATION
from trainers.loop.cohort import Cohort
from trainers.settings import (
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    TeacherCalls,
    Training,
)

IN_PARTS = [name for name, entry in CLASSIFICATION.methods.items() if entry.by_example]
WHOLE = [name for name in CLASSIFICATION.methods if name not in IN_PARTS]


def _trained(method: str, shape: Shape) -> list[Mapping[str, torch.Tensor]]:
    trials = lively_trials(method, 3)
    cohort = make_cohort(method, trials, shape)
    cohort.train(Diary())
    return [weights(cohort, trial.name) for trial in trials]


@pytest.mark.parametrize("method", IN_PARTS)
def test_parts_are_the_whole(method: str, double_precision: None) -> None:
    shapes = [Shape()]
    if method == "fixed_kd":
        shapes.append(Shape(calls=TeacherCalls(0.3, "label")))
    for shape in shapes:
        whole, parts = (_trained(method, replace(shape, accumulate=n)) for n in (None, 3))
        for mine, other in zip(parts, whole, strict=True):
            assert all(torch.allclose(mine[name], t, atol=1e-9) for name, t in other.items())


@pytest.mark.parametrize("method", WHOLE)
def test_what_compares_examples_of_a_batch_is_refused(method: str) -> None:
    with pytest.raises(ValueError, match=r"needs whole batches .* drop training\.accumulate"):
        make_cohort(method, lively_trials(method, 1), Shape(accumulate=2))


def test_a_network_that_normalises_over_batches_is_refused() -> None:
    data = LaneData(
        made_up_dataset(), FRACTIONS, [LaneSource(0, Labels("symmetric", 0.0))], {}, CPU,
        Treatment(),
    )  # fmt: skip
    spec = CohortSpec(
        "labels_only",
        ModelSpec("mlp", {"hidden": (8,), "norm": "batch"}),
        Training(1, 16, accumulate=2),
        Selection("accuracy", True),
    )
    lane = Lane("a", 0, {"lr": 0.1, "weight_decay": 0.0})
    with pytest.raises(ValueError, match="mlp normalises over the examples of a batch"):
        Cohort(spec, [lane], data)

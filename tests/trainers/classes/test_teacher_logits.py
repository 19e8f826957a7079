"""What light teachers say of examples that they have never seen."""

import numpy as np
import pytest
import torch

from tests.trainers.cases import (
    CLASSES,
    CPU,
    FRACTIONS,
    Diary,
    Shape,
    Trial,
    history,
    made_up_dataset,
    make_cohort,
    teacher_logits,
)
from trainers.classes.losses import distillation, softmax
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, LightData
from trainers.classification.data.light_sets import light_set
from trainers.classification.entry import CLASSIFICATION
from trainers.lanes.network import Output
from trainers.settings import SPLITS, Labels, LaneSource, ModelSpec, SourceSpec

DATASET = made_up_dataset()


def _data(*teachers: tuple[str, ...], rate: float = 0.4) -> LaneData:
    """Lanes of the seeds 3, 4, ... with these teachers."""
    noisy = Labels("symmetric", rate)
    sources = [LaneSource(3 + i, noisy, names) for i, names in enumerate(teachers)]
    return LaneData(DATASET, FRACTIONS, sources, teacher_logits(DATASET), CPU)


def _all(data: LaneData, split: str) -> torch.Tensor:
    return torch.arange(data.size(split)).expand(data.lanes, -1)


def _which(said: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Which of a light teacher's logits for the given classes were said."""
    own = torch.as_tensor(teacher_logits(DATASET)["light"])[labels]
    same = (own == said.unsqueeze(-2)).all(-1)
    assert same.any(-1).all(), "not of the given class"
    return same.int().argmax(-1)


@pytest.mark.parametrize("split", SPLITS)
def test_an_example_is_answered_by_its_given_class_and_stays_so(split: str) -> None:
    data = _data(("light",), ("light",))
    batch = data.batch(split, _all(data, split))
    labels = data.labels(split)
    which = _which(batch.targets.teachers[:, 0], labels)
    assert set(which.flatten().tolist()) == {0, 1, 2}
    again = data.batch(split, _all(data, split).flip(1)).targets
    assert torch.equal(again.teachers.flip(2), batch.targets.teachers)
    if split == "train":
        assert data.corrupted.any(), "given labels are what counts, wrong ones too"


def test_a_batch_that_is_trained_on_is_answered_anew() -> None:
    data = _data(("light",), ("light",))
    index = _all(data, "train")
    answers = [
        _which(data.training_batch(index).targets.teachers[:, 0], data.labels("train"))
        for _ in range(60)
    ]
    assert not torch.equal(answers[0], answers[1])
    drawn = torch.stack(answers)
    shares = torch.stack([(drawn == i).float().mean((0, 2)) for i in range(3)])
    assert shares.sub(1 / 3).abs().max() < 0.02


def test_a_teacher_of_the_examples_is_what_it_is_beside_a_light_one() -> None:
    alone, beside = _data(("strong",)), _data(("light", "strong"))
    index = _all(alone, "train")
    for ask in (LaneData.training_batch, lambda data, at: data.batch("train", at)):
        real = ask(alone, index).targets.teachers
        both = ask(beside, index).targets.teachers
        assert torch.equal(both[:, 1:], real)
        _which(both[:, 0], beside.labels("train"))


def test_of_changed_inputs_the_others_alone_are_asked() -> None:
    data = _data(("light", "strong"), ("light", "weak"))
    assert data.asked_anew == 1
    batch = data.training_batch(_all(data, "train"))
    said = torch.randn(2, data.size("train"), CLASSES)
    taught = data.taught(batch, [Output(None, said)]).targets
    assert torch.equal(taught.teachers[:, 0], batch.targets.teachers[:, 0])
    assert torch.equal(taught.teachers[:, 1], said)
    assert torch.equal(taught.labels, batch.targets.labels)


def test_labels_that_say_the_same_are_answered_the_same_under_every_noise() -> None:
    clean, noisy = _data(("light",), rate=0.0), _data(("light",))
    index = _all(clean, "train")
    asked = [data.batch("train", index).targets.teachers[:, 0] for data in (clean, noisy)]
    same = clean.labels("train") == noisy.labels("train")
    assert same.any()
    assert torch.equal(asked[0][same], asked[1][same])


def test_lanes_draw_alone_what_they_draw_together() -> None:
    together, alone = _data(("weak",), ("light",)), _data(("light",), ("light",))
    alone.keep(torch.tensor([1]))
    for _ in range(3):
        index = torch.randint(together.size("train"), (2, 9))
        found = together.training_batch(index).targets.teachers[1:]
        assert torch.equal(found, alone.training_batch(index[1:]).targets.teachers)
    state = {name: places.clone() for name, places in alone.draws().items()}
    expected = alone.training_batch(index[1:]).targets.teachers
    alone.go_on(state)
    assert torch.equal(alone.training_batch(index[1:]).targets.teachers, expected)


@pytest.mark.usefixtures("double_precision")
def test_the_mean_over_answers_is_label_smoothing_by_class() -> None:
    """KD is linear in the teacher's probabilities, but for a term without the student."""
    g = torch.Generator().manual_seed(0)
    z = torch.randn(CLASSES, CLASSES, generator=g, requires_grad=True)
    own = torch.as_tensor(teacher_logits(made_up_dataset())["light"])
    tau = torch.tensor(4.0)
    each = distillation(own, z.unsqueeze(1).expand_as(own), tau.expand(own.shape[:2]))
    (drawn,) = torch.autograd.grad(each.mean(1).sum(), z)
    smooth = softmax(own / tau).mean(1)
    by_class = -(tau**2) * (smooth * torch.log_softmax(z / tau, -1)).sum()
    (expected,) = torch.autograd.grad(by_class, z)
    torch.testing.assert_close(drawn, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("double_precision")
def test_of_one_example_per_class_it_is_that_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fixed-alpha distillation then has one soft label for each given class, in every step."""
    matrix = np.random.default_rng(1).normal(size=(CLASSES, 1, CLASSES))
    monkeypatch.setattr(
        "tests.trainers.cases.teacher_logits",
        lambda dataset: {"light": matrix, "strong": matrix[:, 0][dataset.labels]},
    )
    values = {"alpha": 0.7, "lr": 0.05}
    light = Trial("a", noise_rate=0.0, teachers=("light",), values=values)
    # Without noise the given label is the true one, of which the other says just that.
    by_example = Trial("a", noise_rate=0.0, teachers=("strong",), values=values)
    assert history("fixed_kd", light) == history("fixed_kd", by_example)


@pytest.mark.parametrize("method", ["fixed_kd", "alm_kd", "bikd", "aver", "dkd"])
def test_lanes_with_light_teachers_are_the_trials_alone(method: str) -> None:
    values = {"warmup_epochs": 1, "update_every": 1} if method == "alm_kd" else {}
    trials = [
        Trial(f"trial-{i}", 100 + i // 2, teachers=(("light",), ("strong",))[i % 3 == 1],
              values={"lr": 0.02, **values})
        for i in range(4)
    ]  # fmt: skip
    diary = Diary({"trial-2": 1})
    make_cohort(method, trials, Shape(epochs=3)).train(diary)
    for trial in trials:
        alone = history(method, trial, Shape(epochs=3))
        assert diary.rows[trial.name] == alone[: 1 if trial.name == "trial-2" else 3]


def test_what_is_kept_of_a_light_teacher_is_what_it_says_of_its_examples_by_class() -> None:
    source = SourceSpec("blobs", {"examples_per_class": 6, "features": 3})
    made = light_set(source, CLASSES, np.random.default_rng(2))
    assert isinstance(made, Dataset)
    data = LightData(made, [LaneSource(2, Labels("symmetric", 0.0))], CPU)
    task = CLASSIFICATION.load()
    network = task.network(
        CLASSIFICATION.networks["mlp"].complete(ModelSpec("mlp", {"hidden": (4,)})),
        data,
        [torch.Generator().manual_seed(0)],
    )
    (kept,) = task.kept_outputs(network, data)
    assert kept["logits"].shape == (CLASSES, 6, CLASSES)
    with torch.no_grad():
        live = network(torch.as_tensor(made.inputs).unsqueeze(0)).logits[0].numpy()
    for row, label in enumerate(made.labels):
        np.testing.assert_allclose(kept["logits"][label, row % 6], live[row], rtol=1e-5, atol=1e-6)
    assert data.size("train") == 24
    assert data.size("validation") == 6


def test_weights_that_choose_between_it_and_the_label_cannot_tell_a_wrong_label() -> None:
    """Both say the same of an example; a teacher of the examples tells the two apart."""

    def auroc(teacher: str) -> float:
        values = {"variant": "convex", "warmup_epochs": 2, "update_every": 1, "meta_lr": 30.0,
                  "lr": 0.02, "temperature": 1.0}  # fmt: skip
        trials = [Trial("a", seed, teachers=(teacher,), values=values) for seed in range(8)]
        rows = [history("alm_kd", trial, Shape(epochs=8))[-1] for trial in trials]
        return sum(row["lambda_auroc"] for row in rows) / len(rows)

    light = auroc("light")
    assert abs(light - 0.5) < 0.06
    assert auroc("strong") > light + 0.05

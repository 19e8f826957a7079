"""Fine-tuning: labels alone until it begins, then the clean examples alone, at rates of its own."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Diary, Shape, Trial, history, make_cohort, only
from tests.trainers.image_cases import TEACHER, image_cohort
from trainers.classification.data.lanes import Treatment
from trainers.loop.cohort import Cohort
from trainers.method import Step
from trainers.mixing.fine_tuning import lr_factor
from trainers.settings import Training

SHAPE = Shape(epochs=6, clean="train")
# Lanes of one cohort that begin after epochs 4, 2 and 5.
TUNED = [
    Trial("a", 3, values={"lr": 0.1, "fine_tune_epochs": 2, "fine_tune_scale": 0.5}),
    Trial("b", 3, values={"lr": 0.1, "fine_tune_epochs": 4}),
    Trial("c", 4, values={"lr": 0.05, "fine_tune_epochs": 1, "fine_tune_scale": 2.0}),
]


def _seen(cohort: Cohort) -> dict[int, list[Tensor]]:
    """The places (L, B) of every batch of a stack, by epoch."""
    seen: dict[int, list[Tensor]] = {}
    method, losses = only(cohort).method, only(cohort).method.losses

    def watch(step: Step) -> Tensor:
        seen.setdefault(cohort.epoch + 1, []).append(step.batch.places)
        return losses(step)

    method.losses = watch  # type: ignore[method-assign]
    cohort.train(Diary())
    return seen


def test_until_it_begins_it_is_labels_only_bit_for_bit_whatever_other_lanes_do() -> None:
    diary = Diary()
    make_cohort("fine_tuning", TUNED, SHAPE).train(diary)
    for trial in TUNED:
        plain = replace(trial, values={"lr": trial.values["lr"]})
        expected = history("labels_only", plain, SHAPE)
        begins = SHAPE.epochs - int(trial.values["fine_tune_epochs"])
        assert diary.rows[trial.name][:begins] == expected[:begins]
        assert diary.rows[trial.name][begins] != expected[begins]


@pytest.mark.parametrize("batch_size", [19, 1000])
def test_then_the_clean_examples_alone_are_seen_all_equally_often(batch_size: int) -> None:
    cohort = make_cohort("fine_tuning", TUNED, replace(SHAPE, batch_size=batch_size))
    n, clean = only(cohort).data.size("train"), only(cohort).data.certain
    seen = _seen(cohort)
    orders: list[Tensor] = []
    for epoch, batches in seen.items():
        places = torch.cat(batches, dim=1)
        assert places.shape == (len(TUNED), n)
        for own, trial in zip(places, TUNED, strict=True):
            counts = torch.bincount(own, minlength=n)
            if epoch <= SHAPE.epochs - int(trial.values["fine_tune_epochs"]):
                assert (counts == 1).all()
                continue
            assert not counts[:-clean].any()
            assert counts.sum() == n
            assert counts[-clean:].max() - counts[-clean:].min() <= 1
            orders.append(own)
    # In an order of its own each time, lanes of one seed together.
    assert len(orders) == 2 + 4 + 1
    assert len({tuple(order.tolist()) for order in orders}) == 4 + 1


def test_the_optimizers_rates_begin_anew() -> None:
    cohort = make_cohort("fine_tuning", TUNED, SHAPE)
    rates: dict[int, Tensor] = {}
    optimizer = only(cohort)._optimizer
    go = optimizer.go

    def watch(lr: Tensor) -> None:
        rates[cohort.epoch + 1] = lr.clone()
        go(lr)

    optimizer.go = watch  # type: ignore[method-assign]
    cohort.train(Diary())

    def cosine(past: int, epochs: int) -> float:
        return (1 + math.cos(math.pi * past / epochs)) / 2

    usual = [cosine(past, 6) for past in range(6)]
    expected = [
        [0.1 * x for x in [*usual[:4], 0.5, 0.5 * cosine(1, 2)]],
        [0.1 * x for x in [*usual[:2], *(0.1 * cosine(past, 4) for past in range(4))]],
        [0.05 * x for x in [*usual[:5], 2.0]],
    ]
    found = torch.stack([rates[epoch] for epoch in range(1, 7)], dim=1)
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]),
        ("linear", [1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]),
        ("steps", [1.0, 1.0, 0.1, 0.1, 0.5, 0.5, 0.05, 0.05]),
    ],
)
def test_so_they_do_with_every_schedule(schedule: str, expected: list[float]) -> None:
    training = Training(8, 16, schedule=schedule, milestones=(2,), factor=0.1)  # type: ignore[arg-type]
    found = [lr_factor(training, epoch, 4, 0.5) for epoch in range(1, 9)]
    assert found == pytest.approx(expected)


def test_what_an_augmented_lane_is_shown_is_its_own() -> None:
    """An image is cropped once a step, clean or not, so that no lane draws for another."""
    trials = [replace(trial, seed=seed) for seed, trial in enumerate(TUNED)]
    treatment = Treatment(augment="crop_flip")
    cohort = image_cohort(trials, 6, "fine_tuning", TEACHER, treatment)
    together = Diary()
    only(cohort)
    cohort.train(together)
    for trial in trials:
        alone = Diary()
        image_cohort([trial], 6, "fine_tuning", TEACHER, treatment).train(alone)
        assert together.rows[trial.name] == alone.rows[trial.name]


def test_without_a_clean_example_it_cannot_train() -> None:
    with pytest.raises(ValueError, match="no clean example is trained on; give the lanes clean"):
        make_cohort("fine_tuning", TUNED, Shape(clean="withhold"))

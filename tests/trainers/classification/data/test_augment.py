"""Crops and flips: pixels only move, and a lane sees the same ones in any cohort."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from tests.trainers.cases import CPU, FRACTIONS, Diary, only, weights
from trainers.classification.data.augment import PADDING, crop_and_flip
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.lanes.seeds import torch_generator
from trainers.loop.cohort import Cohort
from trainers.method import Step
from trainers.settings import (
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    Training,
)

CHANNELS, HEIGHT, WIDTH = 2, 6, 5
CROP_FLIP = Treatment(augment="crop_flip")


def _images(n: int, seed: int = 0) -> np.ndarray:
    """No pixel is 0, so that what comes in at the edges can be told from them."""
    return np.random.default_rng(seed).uniform(1, 2, (n, CHANNELS, HEIGHT, WIDTH))


def _every_outcome(image: np.ndarray) -> Mapping[bytes, tuple[int, int, bool]]:
    """All crops of an image padded with 0, plain and mirrored, made with slices."""
    padded = np.pad(image, ((0, 0), (PADDING, PADDING), (PADDING, PADDING)))
    found = {}
    for down in range(2 * PADDING + 1):
        for right in range(2 * PADDING + 1):
            crop = padded[:, down : down + HEIGHT, right : right + WIDTH]
            found[crop.copy().tobytes()] = (down, right, False)
            found[crop[:, :, ::-1].copy().tobytes()] = (down, right, True)
    return found


def test_every_image_is_a_crop_of_its_own_plain_or_mirrored() -> None:
    images = _images(12)
    x = torch.as_tensor(images).view(2, 6, CHANNELS, HEIGHT, WIDTH)
    shaken = crop_and_flip(x, [torch_generator(seed, "augment") for seed in (1, 2)])
    assert shaken.shape == x.shape
    drawn = [
        _every_outcome(image)[out.tobytes()]
        for image, out in zip(images, shaken.flatten(0, 1).numpy(), strict=True)
    ]
    assert len(set(drawn)) > 6


def test_every_crop_is_as_likely() -> None:
    image = _images(1)[0]
    n, outcomes = 20_000, _every_outcome(image)
    x = torch.as_tensor(image).expand(1, n, -1, -1, -1)
    shaken = crop_and_flip(x, [torch_generator(1, "augment")])[0].numpy()
    drawn = [outcomes[out.tobytes()] for out in shaken]
    assert len(set(drawn)) == 2 * (2 * PADDING + 1) ** 2
    for place, expected in ((0, n / 9), (1, n / 9), (2, n / 2)):
        counts = np.unique([outcome[place] for outcome in drawn], return_counts=True)[1]
        assert len(counts) == round(n / expected)
        assert counts == pytest.approx(expected, rel=0.1)


def _dataset() -> Dataset:
    labels = np.arange(90) % 3
    return Dataset(_images(90).astype(np.float32), labels.astype(np.int64), 3)


def _data(*seeds: int, treatment: Treatment = CROP_FLIP) -> LaneData:
    sources = [LaneSource(seed, Labels("symmetric", 0.2)) for seed in seeds]
    return LaneData(_dataset(), FRACTIONS, sources, {}, CPU, treatment)


def _places(lanes: int) -> torch.Tensor:
    return torch.arange(7).expand(lanes, -1)


def test_training_batches_alone_are_changed() -> None:
    data = _data(1)
    plain, shaken = data.batch("train", _places(1)), data.training_batch(_places(1))
    assert shaken.changed
    assert not plain.changed
    assert (shaken.inputs != plain.inputs).any()
    assert torch.equal(shaken.targets.labels, plain.targets.labels)
    assert torch.equal(plain.inputs, data.inputs_of("train", _places(1)))
    quiet = _data(1, treatment=Treatment())
    assert torch.equal(quiet.training_batch(_places(1)).inputs, plain.inputs)
    assert not quiet.training_batch(_places(1)).changed


def test_looking_at_plain_examples_takes_nothing_from_the_draw() -> None:
    first, second = _data(1), _data(1)
    second.batch("train", _places(1))
    assert torch.equal(
        first.training_batch(_places(1)).inputs, second.training_batch(_places(1)).inputs
    )


def test_lane_draws_the_same_in_any_company_and_after_others_were_cut() -> None:
    together, alone = _data(3, 5, 4), _data(5)
    for step in range(3):
        found = together.training_batch(_places(together.lanes)).inputs
        expected = alone.training_batch(_places(1)).inputs
        assert torch.equal(found[1 if step < 2 else 0], expected[0])
        if step == 1:
            together.keep(torch.tensor([1, 2]))


def _cohort(*seeds: int, treatment: Treatment = CROP_FLIP) -> Cohort:
    spec = CohortSpec(
        "labels_only",
        ModelSpec("mlp", {"hidden": (9,)}),
        Training(epochs=4, batch_size=12, momentum=0.9, nesterov=True, schedule="cosine"),
        Selection("accuracy", maximize=True),
    )
    lanes = [Lane(f"lane-{seed}", seed, {"lr": 0.05}) for seed in seeds]
    return Cohort(spec, lanes, _data(*seeds, treatment=treatment))


def test_augmented_trial_alone_is_the_same_lane_bit_for_bit() -> None:
    diary, alone = Diary({"lane-3": 2, "lane-7": 1}), Diary()
    together = _cohort(3, 5, 7)
    together.train(diary)
    solo = _cohort(5)
    solo.train(alone)
    assert diary.rows["lane-5"] == alone.rows["lane-5"]
    found, expected = weights(together, "lane-5"), weights(solo, "lane-5")
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], p) for name, p in expected.items())


def test_training_sees_what_was_drawn_and_evaluation_does_not() -> None:
    cohort = _cohort(5)
    seen = []
    losses = only(cohort).method.losses

    def watch(step: Step) -> torch.Tensor:
        seen.append(step.batch.changed)
        return losses(step)

    only(cohort).method.losses = watch  # type: ignore[method-assign]
    shaken, plain = Diary(), Diary()
    cohort.train(shaken)
    _cohort(5, treatment=Treatment()).train(plain)
    assert seen
    assert all(seen)
    assert shaken.rows["lane-5"] != plain.rows["lane-5"]
    stack = only(cohort)
    losses_twice = [stack.evaluate("validation", ())["validation_loss"] for _ in range(2)]
    assert torch.equal(*losses_twice)

"""What light teachers are trained on: sets whose classes are numbers."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from trainers.classification.data.dataset import Dataset
from trainers.classification.data.light_sets import TEACHER_SOURCES, digits_of, light_set
from trainers.classification.data.synthetic import blobs
from trainers.settings import SourceSpec

CLASSES = pytest.mark.parametrize("classes", [2, 10, 11, 100, 101])
CODES = SourceSpec("digit_codes", {"examples_per_class": 5, "noise": 0.0})


def _made(source: SourceSpec, classes: int, seed: int = 0) -> Dataset:
    made = light_set(source, classes, np.random.default_rng(seed))
    assert isinstance(made, Dataset)
    return made


@CLASSES
def test_codes_are_the_numbers_of_the_classes(classes: int) -> None:
    codes = digits_of(classes)
    assert codes.shape[1] == {2: 1, 10: 1, 11: 2, 100: 2, 101: 3}[classes]
    read = [int("".join(str(digit) for digit in code)) for code in codes]
    assert read == list(range(classes))


@CLASSES
def test_images_are_digits_side_by_side_that_spell_the_class(classes: int) -> None:
    found = _made(CODES, classes, seed=3)
    bunch = load_digits()
    kinds: dict[bytes, int] = {}
    pixels = bunch.images.astype(np.float64)
    pixels = ((pixels - pixels.mean()) / pixels.std()).astype(np.float32)
    for image, digit in zip(pixels, bunch.target, strict=True):
        kinds[image.tobytes()] = digit
    k = found.shape[2] // 8
    for image, label in zip(found.inputs, found.labels, strict=True):
        tiles = [np.ascontiguousarray(image[0, :, 8 * i : 8 * i + 8]) for i in range(k)]
        assert int("".join(str(kinds[tile.tobytes()]) for tile in tiles)) == label


@pytest.mark.parametrize("name", TEACHER_SOURCES)
@CLASSES
def test_every_class_has_as_many_examples_class_by_class(name: str, classes: int) -> None:
    source = SourceSpec(name, {"examples_per_class": 7})
    found = _made(source, classes)
    assert found.classes == classes
    assert found.labels.tolist() == [c for c in range(classes) for _ in range(7)]
    assert found.inputs.dtype == np.float32
    data = blobs(3 * classes, classes, 2, 1.0)
    assert found.shape == TEACHER_SOURCES[name].shape(data, source.options)


@pytest.mark.parametrize("name", TEACHER_SOURCES)
def test_a_set_is_its_seeds(name: str) -> None:
    source = SourceSpec(name, {})
    first, again, other = (_made(source, 10, seed).inputs for seed in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).all()
    assert len(first) == 1000


def test_noise_is_added_in_standard_deviations_of_the_pixels() -> None:
    clean = _made(SourceSpec("digit_codes", {"noise": 0.0}), 10).inputs
    noisy = _made(SourceSpec("digit_codes", {"noise": 0.3}), 10).inputs
    assert (noisy - clean).std() == pytest.approx(0.3, rel=0.02)
    assert clean.std() == pytest.approx(1.0, rel=0.05)

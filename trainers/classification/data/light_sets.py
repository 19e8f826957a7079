"""TEACHER_SOURCES: simple sets of examples that a light teacher is trained on in place of the data.

C classes, as many as the data set has; m examples of each; k digits of a code; D features.

Such a set knows a class by its number alone, so that a teacher which has learned it says of an
example no more than the example's given label does. Sets are drawn anew under every seed.

Source: the idea is that of Liu et al. 2020, arXiv 2005.09163, of which the abstract alone was to be
had: a simple set is made up that has as many classes as the data. Which set is ours: codes of
scikit-learn's digits, which need no download and make any number of classes, or Gaussians.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.classes.dataset import ClassDataset
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.synthetic import BOX
from trainers.data.dataset import Dataset as AnyDataset
from trainers.data.handwritten import handwritten_digits
from trainers.entries import Shape, SourceEntry
from trainers.fields import Field, resolved
from trainers.settings import SourceSpec

SIDE = 8  # pixels of a digit
OWN = "own"


def digits_of(classes: int) -> NDArray[np.int64]:
    """The code of every class: its number, written with as many digits as the last one has, (C,
    k)."""
    k = len(str(classes - 1))
    powers = 10 ** np.arange(k - 1, -1, -1)
    return np.arange(classes)[:, None] // powers % 10


def digit_codes(
    classes: int, rng: np.random.Generator, examples_per_class: int, noise: float
) -> Dataset:
    """The number of a class in handwritten digits side by side: inputs (C m, 1, 8, 8 k), class by
    class.

    Each digit is a random one of scikit-learn's of its kind. Pixels are standardised; ``noise``:
    the standard deviation of what is added to them.
    """
    pixels, which = handwritten_digits()
    pixels = pixels.reshape(-1, SIDE, SIDE)
    pixels = (pixels - pixels.mean()) / pixels.std()
    kinds = [np.flatnonzero(which == digit) for digit in range(10)]
    codes = np.repeat(digits_of(classes), examples_per_class, axis=0)
    chosen = np.empty_like(codes)
    for digit, of_kind in enumerate(kinds):
        there = codes == digit
        chosen[there] = rng.choice(of_kind, there.sum())
    # (C m, k, 8, 8), side by side.
    images = pixels[chosen].transpose(0, 2, 1, 3).reshape(len(codes), 1, SIDE, -1)
    images = images + noise * rng.standard_normal(images.shape)
    return _class_by_class(images, classes, examples_per_class)


def class_blobs(
    classes: int, rng: np.random.Generator, examples_per_class: int, features: int, spread: float
) -> Dataset:
    """A round Gaussian per class, its centre anywhere in a box: inputs (C m, D); ``spread``: the
    standard deviation."""
    centres = rng.uniform(-BOX, BOX, size=(classes, features))
    inputs = np.repeat(centres, examples_per_class, axis=0)
    inputs = inputs + spread * rng.standard_normal(inputs.shape)
    return _class_by_class(inputs, classes, examples_per_class)


def _class_by_class(inputs: NDArray[np.float64], classes: int, examples: int) -> Dataset:
    labels = np.repeat(np.arange(classes, dtype=np.int64), examples)
    return Dataset(inputs.astype(np.float32), labels, classes)


EXAMPLES_PER_CLASS = Field(
    "examples_per_class", "int", 100, "of every class; a fifth of them is the teacher's validation "
    "split", OWN, unit="examples", low=5, high=10_000,
)  # fmt: skip
FEATURES = Field("features", "int", 16, "how many", OWN, unit="features", low=1, high=10_000)


def _codes_shape(dataset: AnyDataset, options: Mapping[str, Any]) -> Shape:
    assert isinstance(dataset, ClassDataset)
    return 1, SIDE, SIDE * digits_of(dataset.classes).shape[1]


TEACHER_SOURCES: Mapping[str, SourceEntry] = {
    "digit_codes": SourceEntry(
        make=digit_codes,
        summary="the number of the class in handwritten digits side by side, 8 pixels high",
        source="own; after arXiv 2005.09163, from its abstract",
        fields=(
            EXAMPLES_PER_CLASS,
            Field(
                "noise", "float", 0.3, "of the pixels, in standard deviations of theirs", OWN,
                low=0.0,
            ),
        ),
        shape=_codes_shape,
    ),
    "blobs": SourceEntry(
        make=class_blobs,
        summary="a round Gaussian per class, its centre anywhere in a box",
        source="own; after arXiv 2005.09163, from its abstract",
        fields=(
            EXAMPLES_PER_CLASS,
            FEATURES,
            Field(
                "spread", "float", 1.0, "the Gaussians' standard deviation, in a box of side 8",
                OWN, low=0.0, open_low=True,
            ),
        ),
        shape=lambda dataset, options: (int(options.get("features", FEATURES.default)),),
    ),
}  # fmt: skip


def light_set(source: SourceSpec, classes: int, rng: np.random.Generator) -> AnyDataset:
    """The set of a source for so many classes."""
    entry = TEACHER_SOURCES[source.name]
    return entry.make(classes, rng, **resolved(entry.fields, source.options))

"""A data set of examples with one class each, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data import dataset
from trainers.data.arrays import read_labels
from trainers.data.errors import DataError
from trainers.data.fingerprint import ABOUT
from trainers.settings import DataSpec


@dataclass(frozen=True)
class Standard:
    """What raw numbers are standardised by: their ``scale``, then mean and standard deviation, one
    for each channel (the first dimension of an input) or one for all."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 255.0

    def apply(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Raw inputs (n, channels, ...) to (raw / scale - mean) / std."""
        shape = (1, -1, *[1] * (raw.ndim - 2))
        inputs = raw.astype(np.float32)
        inputs /= self.scale
        inputs -= np.asarray(self.mean, dtype=np.float32).reshape(shape)
        inputs /= np.asarray(self.std, dtype=np.float32).reshape(shape)
        return inputs


@dataclass(frozen=True)
class Dataset(dataset.Dataset):
    """N examples: ``inputs`` (N, ...) float32, ``labels`` (N,) int64 in [0, classes).

    Inputs of images are (N, channels, height, width). ``file_labels``: labels (N,) from a file of
    the user's, for noise of the kind ``file``.

    What a student has to be told beside its weights: ``standard``, by which raw inputs became
    ``inputs`` (None: they are raw); ``class_names``, in the order of the labels; ``columns``, the
    names of the D numbers of an input that is a row of a table.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int
    official_test: int = 0
    file_labels: NDArray[np.int64] | None = None
    standard: Standard | None = field(default=None, metadata={ABOUT: True})
    class_names: tuple[str, ...] | None = field(default=None, metadata={ABOUT: True})
    columns: tuple[str, ...] | None = field(default=None, metadata={ABOUT: True})

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def strata(self) -> NDArray[np.int64]:
        return self.labels

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[1:])

    def take(self, rows: NDArray[np.int64], official_test: int) -> "Dataset":
        given = None if self.file_labels is None else self.file_labels[rows]
        return replace(
            self,
            inputs=self.inputs[rows],
            labels=self.labels[rows],
            official_test=official_test,
            file_labels=given,
        )

    def problem(self, spec: DataSpec) -> str | None:
        if not len(self.labels) or self.classes < 2:
            return (
                f"{len(self.labels)} examples of {self.classes} classes; at least two classes with "
                "examples are needed"
            )
        empty = np.flatnonzero(np.bincount(self.labels, minlength=self.classes) == 0)
        if len(empty):
            return (
                f"{len(self.labels)} examples leave class {empty[0]} with none; use more examples "
                "or fewer classes"
            )
        if not np.isfinite(self.inputs).all():
            return "its inputs hold NaN or infinity; remove or fill them"
        if spec.options.get("augment", "none") != "none" and self.inputs.ndim != 4:
            return (
                f"its inputs are of the shape {self.shape}; data.augment needs images (channels, "
                "height, width)"
            )
        return None

    def with_noise_options(self, spec: DataSpec) -> "Dataset":
        file = spec.noise.options.get("noise_file")
        return replace(self, file_labels=self._labels_of(file, spec)) if file else self

    def _labels_of(self, file: str, spec: DataSpec) -> NDArray[np.int64]:
        """The labels of a file for every example; for an official test part the true ones."""
        labels = read_labels(file)
        total, train = len(self.labels), len(self.labels) - self.official_test
        if len(labels) == train and spec.fractions.test is None:
            labels = np.concatenate([labels, self.labels[train:]])
        if len(labels) != total:
            hint = " (or splits.test: official, if they are those of the training part)"
            raise DataError(
                f"{file}: holds {len(labels)} labels; {spec.dataset} has {total} examples and "
                f"needs as many{hint if len(labels) == train else ''}"
            )
        if ((labels < 0) | (labels >= self.classes)).any():
            raise DataError(
                f"{file}: holds labels from {labels.min()} to {labels.max()}; classes are 0 to "
                f"{self.classes - 1}"
            )
        return labels


class Images(NamedTuple):
    """Images as they are stored: ``pixels`` (n, channels, H, W) uint8, ``labels`` (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def of_images(
    train: Sequence[Images], test: Sequence[Images], classes: int, standard: Standard
) -> Dataset:
    """All parts as one data set; those of ``test`` are the official test part."""
    parts = [*train, *test]
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    tests = sum(len(part.labels) for part in test)
    return Dataset(standard.apply(pixels), labels, classes, tests, standard=standard)

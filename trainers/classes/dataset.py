"""A data set of examples with one class each, in memory, whatever an input is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trainers.data import dataset
from trainers.data.arrays import read_labels
from trainers.data.dataset import NOTHING_TOLD, DatasetInfo
from trainers.data.errors import DataError, listed
from trainers.data.given_splits import GivenSplits
from trainers.data.noise import noise_problem
from trainers.settings import DataSpec, Labels

Check = Callable[[DataSpec], str | None]


@dataclass(frozen=True)
class ClassDataset(dataset.Dataset):
    """N examples: ``inputs`` (N, ...), ``labels`` (N,) int64 in [0, classes).

    ``file_labels``: labels (N,) from a file of the user's, for noise of the kind ``file``.
    """

    inputs: NDArray[Any]
    labels: NDArray[np.int64]
    classes: int
    official_test: int = 0
    file_labels: NDArray[np.int64] | None = None
    info: DatasetInfo = NOTHING_TOLD
    given_splits: GivenSplits | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def strata(self) -> NDArray[np.int64]:
        return self.labels

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[1:])

    def take(self, rows: NDArray[np.int64], official_test: int) -> Self:
        given = None if self.file_labels is None else self.file_labels[rows]
        return replace(
            self, inputs=self.inputs[rows], labels=self.labels[rows], file_labels=given,
            official_test=official_test, given_splits=None,
        )  # fmt: skip

    def class_name(self, c: int) -> str:
        """A class as it is called in a sentence: by number, and by name where that is another."""
        names = self.info.class_names
        return f"{c} ({names[c]})" if names and names[c] != str(c) else str(c)

    def problem(self, spec: DataSpec) -> str | None:
        return next((problem for check in self.checks() if (problem := check(spec))), None)

    def checks(self) -> Sequence[Check]:
        """Each says why no student could be trained on this as a spec says, or None; the first
        that does is told."""
        return (self._mislabelled, self._lacking, self._untaught)

    def _mislabelled(self, spec: DataSpec) -> str | None:
        """Why its labels are not those of a data set, as code of the user's own may give them."""
        if self.labels.dtype != np.int64 or self.labels.shape != self.inputs.shape[:1]:
            return (
                f"its labels are {self.labels.dtype} of the shape {self.labels.shape}; give them "
                f"as int64, one for each of the {len(self.inputs)} examples"
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            return (
                f"its labels go from {self.labels.min()} to {self.labels.max()}; of "
                f"{self.classes} classes they have to be 0 to {self.classes - 1}"
            )
        return None

    def _lacking(self, spec: DataSpec) -> str | None:
        """Why there are too few classes or examples, or None."""
        if not len(self.labels) or self.classes < 2:
            return (
                f"{len(self.labels)} examples of {self.classes} classes; at least two classes with "
                "examples are needed"
            )
        empty = np.flatnonzero(np.bincount(self.labels, minlength=self.classes) == 0)
        if not len(empty):
            return None
        return (
            f"{len(self.labels)} examples leave class {self.class_name(empty[0])} with none; use "
            "more examples or fewer classes"
        )

    def _untaught(self, spec: DataSpec) -> str | None:
        """Why nothing could learn what the official test part, or a split of one's own, asks."""
        if self.given_splits is not None:
            return self._never_trained_on(spec)
        if spec.fractions.test is not None:
            return None
        taught = np.unique(self.labels[: len(self) - self.official_test])
        unknown = np.setdiff1d(np.arange(self.classes), taught)
        if not len(unknown):
            return None
        names = listed([self.class_name(c) for c in unknown])
        return (
            f"class {names} has examples in the official test part alone, so that no student can "
            "learn it; drop these, or give data.splits.test a share, which pools both parts"
        )

    def _never_trained_on(self, spec: DataSpec) -> str | None:
        assert self.given_splits is not None
        taught = self.labels[self.given_splits["train"]]
        unknown = np.setdiff1d(np.arange(self.classes), taught)
        if not len(unknown):
            return None
        names = listed([self.class_name(c) for c in unknown])
        return (
            f"class {names} has no example in the training split of {spec.fractions.given}, so "
            "that no student can learn it; name some of its examples train, or drop the class"
        )

    def with_splits(self, rows: GivenSplits) -> Self:
        return replace(self, given_splits=rows)

    def with_noise_options(self, spec: DataSpec) -> Self:
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


def usable(data: dataset.Dataset, spec: DataSpec, labels: Labels) -> str | None:
    """Why ``labels`` cannot be had on a data set that was loaded, or None."""
    assert isinstance(data, ClassDataset)
    pool = len(data.labels)
    if spec.fractions.test is None:
        pool -= data.official_test
    given = None if data.file_labels is None else data.file_labels[:pool]
    class_map = spec.noise.options.get("class_map", ())
    return noise_problem(data.labels[:pool], data.classes, labels, given, class_map)

"""Data sets as arrays in memory, by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """N examples: ``inputs`` (N, ...) float32, ``labels`` (N,) int64 in [0, classes)."""

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int


@dataclass(frozen=True)
class DatasetEntry:
    """One row of the table of data sets."""

    load: Callable[[], Dataset]
    summary: str
    source: str


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    inputs = np.asarray(bunch.data / 16.0, dtype=np.float32)
    return Dataset(inputs, np.asarray(bunch.target, dtype=np.int64), classes=10)


DATASETS: Mapping[str, DatasetEntry] = {
    "digits": DatasetEntry(
        _digits,
        "1,797 handwritten digits, 8x8 grey levels scaled to [0, 1], 10 classes",
        "scikit-learn's load_digits (UCI optical recognition of handwritten digits, test part)",
    ),
}

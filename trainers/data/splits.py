"""Train / meta / validation / test, disjoint and with the classes' shares kept."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

SPLITS = ("train", "meta", "validation", "test")


@dataclass(frozen=True)
class SplitFractions:
    """The share of all examples in each split; together at most 1."""

    train: float
    meta: float
    validation: float
    test: float

    def as_mapping(self) -> Mapping[str, float]:
        return {name: float(getattr(self, name)) for name in SPLITS}


def split_rows(
    labels: NDArray[np.int64], fractions: SplitFractions, rng: np.random.Generator
) -> dict[str, Rows]:
    """Row numbers of each split; sizes depend on ``len(labels)`` alone, never on the draw.

    Rows are dealt out class by class, interleaved so that any run of them holds the classes in
    their proportion; the splits are consecutive runs.
    """
    order = rng.permutation(len(labels))
    given = labels[order]
    place = np.empty(len(labels))
    for c in np.unique(labels):
        of_class = np.flatnonzero(given == c)
        place[of_class] = (np.arange(len(of_class)) + rng.random()) / len(of_class)
    dealt = order[np.argsort(place, kind="stable")]
    rows, start = {}, 0
    for name, fraction in fractions.as_mapping().items():
        stop = start + int(fraction * len(labels) + 1e-9)
        rows[name] = dealt[start:stop].astype(np.int64)
        start = stop
    return rows

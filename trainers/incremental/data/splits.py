"""Splits with as many examples of each class under every seed: which classes a task has is drawn
anew, and lanes side by side have to have as many examples.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainers.data.splits import Rows, share_of
from trainers.settings import SplitFractions


def rows_by_class(
    labels: NDArray[np.int64],
    fractions: SplitFractions,
    rng: np.random.Generator,
    official_test: int = 0,
) -> dict[str, Rows]:
    """Row numbers of each split, in an order drawn by ``rng``; of a class with n examples each
    split has its share of n, rounded down, and one at least.

    ``official_test``: how many rows, the last ones, are the official test part.
    """
    drawn = len(labels) - (official_test if fractions.test is None else 0)
    parts: dict[str, list[Rows]] = {name: [] for name in fractions.drawn()}
    for c in range(int(labels.max()) + 1):
        of_class = rng.permutation(np.flatnonzero(labels[:drawn] == c))
        start = 0
        for name, count in _counts(fractions, len(of_class)).items():
            kept = count
            if name == "meta" and fractions.clean is not None:
                kept = _clean(fractions.clean, len(of_class), count)
            parts[name].append(of_class[start : start + kept])
            start += count
    rows = {name: rng.permutation(np.concatenate(of_classes)) for name, of_classes in parts.items()}
    if fractions.test is None:
        rows["test"] = np.arange(drawn, len(labels), dtype=np.int64)
    return rows


def counts_by_class(
    labels: NDArray[np.int64], fractions: SplitFractions, official_test: int, classes: int
) -> dict[str, NDArray[np.int64]]:
    """How many examples of each class (C,) every split has that is drawn, under any seed."""
    drawn = len(labels) - (official_test if fractions.test is None else 0)
    each = [_counts(fractions, int(n)) for n in np.bincount(labels[:drawn], minlength=classes)]
    counts = {name: np.array([of_class[name] for of_class in each]) for name in fractions.drawn()}
    if fractions.clean is not None:
        whole = np.bincount(labels[:drawn], minlength=classes)
        counts["meta"] = np.array(
            [
                _clean(fractions.clean, int(n), int(count))
                for n, count in zip(whole, counts["meta"], strict=True)
            ]
        )
    return counts


def split_problem(
    labels: NDArray[np.int64], fractions: SplitFractions, official_test: int, classes: int
) -> str | None:
    """Why a split cannot have an example of every class, or None."""
    for name, counts in counts_by_class(labels, fractions, official_test, classes).items():
        if len(empty := np.flatnonzero(counts == 0)):
            return (
                f"class {empty[0]} has too few examples for one in each split, and {name} would "
                "have none; drop the class, or raise data.examples"
            )
    return None


def _clean(share: float, examples: int, most: int) -> int:
    """How many of a class's examples of the meta split there are."""
    return min(max(1, share_of(share, examples)), most)


def _counts(fractions: SplitFractions, examples: int) -> Mapping[str, int]:
    """Of one class; the largest splits give what the smallest lack."""
    counts = {name: max(1, share_of(share, examples)) for name, share in fractions.drawn().items()}
    while sum(counts.values()) > examples and max(counts.values()) > 0:
        largest = max(counts, key=lambda name: counts[name])
        counts[largest] -= 1
    return counts

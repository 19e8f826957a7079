"""Splits of whole groups of examples, where there are groups."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainers.data.splits import Rows, share_of
from trainers.settings import SplitFractions


class Grouped(Protocol):
    """Examples that may come in groups, (N,), which are never split."""

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """The group of every example, or None."""

    def __len__(self) -> int: ...


def rows_by_group(
    dataset: Grouped, fractions: SplitFractions, rng: np.random.Generator
) -> dict[str, Rows]:
    """Row numbers of each split, in an order drawn by ``rng``, as is which groups are in which.

    A split has its share of the groups, rounded down, and of each as many rows as the smallest has:
    as many under every draw.
    """
    assert dataset.groups is not None
    of_groups = [np.flatnonzero(dataset.groups == group) for group in np.unique(dataset.groups)]
    least = min(map(len, of_groups))
    order = rng.permutation(len(of_groups))
    rows, start = {}, 0
    for name, share in fractions.drawn().items():
        stop = start + share_of(share, len(of_groups))
        own = [of_groups[group][:least] for group in order[start:stop]]
        rows[name] = rng.permutation(np.concatenate([np.empty(0, np.int64), *own]))
        start = stop
    if fractions.clean is not None:
        rows["meta"] = rows["meta"][: share_of(fractions.clean, len(dataset))]
    return rows


def group_problem(dataset: Grouped, fractions: SplitFractions) -> str | None:
    """Why the groups cannot be split so, or None."""
    if dataset.groups is None:
        return None
    if fractions.folds or fractions.given or fractions.test is None:
        return (
            "these examples come in groups that are never split, which folds, an official test "
            "part and splits of one's own know nothing of; give data.splits shares"
        )
    count = len(np.unique(dataset.groups))
    for name, share in fractions.drawn().items():
        if share and not share_of(share, count):
            return (
                f"data.splits.{name}: {share:g} of {count} groups is none; give it "
                f"{1 / count:.2g} at least"
            )
    return None

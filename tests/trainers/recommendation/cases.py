"""Small sets of interactions."""

import numpy as np

from trainers.recommendation.data.dataset import Interactions
from trainers.settings import SplitFractions

FRACTIONS = SplitFractions(train=0.6, meta=0.1, validation=0.1, test=0.2)


def of_counts(counts: list[int], items: int = 40, seed: int = 0) -> Interactions:
    """As many interactions of every user as ``counts`` says, in an order that is drawn; items are
    drawn unequally."""
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, items + 1)
    taken = [rng.choice(items, n, replace=False, p=p / p.sum()) for n in counts]
    order = rng.permutation(sum(counts))
    return Interactions(
        np.repeat(np.arange(len(counts)), counts)[order],
        np.concatenate(taken).astype(np.int64)[order],
        tuple(f"u{n}" for n in range(len(counts))),
        tuple(f"i{n}" for n in range(items)),
    )


def pairs(users: np.ndarray, items: np.ndarray) -> set[tuple[int, int]]:
    """Users with items."""
    return set(zip(users.tolist(), items.tolist(), strict=True))

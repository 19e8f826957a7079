"""Draws without replacement, of many users at once.

U users, I items; a block is a run of B users, so that B I numbers are held at once.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# Numbers in a block.
CELLS = 2**22


def blocks(users: int, items: int) -> Iterator[slice]:
    """All users in runs, one after the other."""
    step = max(1, CELLS // items)
    for start in range(0, users, step):
        yield slice(start, min(start + step, users))


def drawn(
    weights: NDArray[np.float64], counts: NDArray[np.int64], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every row of ``weights`` (B, I) as many columns as ``counts`` (B,) says, one after the
    other, each with a probability proportional to its weight among those not drawn yet.

    Rows and columns of what was drawn, row by row; those of weight 0 never are, so that a row with
    too few others has fewer. How users are cut into blocks changes nothing.

    Arrival times: whoever arrives at a rate w is first with a probability proportional to w, and so
    is the first of the rest after it (Efraimidis and Spirakis 2006, as exponential keys).
    """
    keys = rng.standard_exponential(weights.shape)
    np.divide(keys, weights, out=keys, where=weights > 0)
    keys[weights <= 0] = np.inf
    most = int(counts.max(initial=0))
    if most < weights.shape[1]:
        first = np.argpartition(keys, most, axis=1)[:, :most]
        order = np.argsort(np.take_along_axis(keys, first, axis=1), axis=1)
        first = np.take_along_axis(first, order, axis=1)
    else:
        first = np.argsort(keys, axis=1)
    wanted = np.arange(first.shape[1]) < counts[:, None]
    rows, places = np.nonzero(wanted & np.isfinite(np.take_along_axis(keys, first, axis=1)))
    return rows, first[rows, places]

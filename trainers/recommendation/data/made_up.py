"""Made-up interactions, of which it is known what users like and what is merely popular.

U users, I items, N interactions, d features that are hidden.

A user takes item i before the others with a probability proportional to exp(p . q_i + b_i): p and
q_i are its hidden vector and the item's, and b_i the logarithm of a power of i's rank by
popularity. Every item is taken by one user at least, drawn by what users like alone.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.splits import FEWEST
from trainers.recommendation.data.without_replacement import blocks, drawn

SEED = 0
# Of fewer, users could not have as many interactions as they need.
FEWEST_USERS, FEWEST_ITEMS = 10, 60
FEATURES = 8
# The standard deviation of what users like, p . q_i, over all pairs.
AFFINITY_STD = 1.5
# Of an item's rank in its popularity.
EXPONENT = 0.8
# The standard deviation of the logarithm of how much users take beyond the fewest.
SPREAD = 0.7

Scores = NDArray[np.float64]


class Hidden(NamedTuple):
    """``users`` (U, d), ``items`` (I, d), whose products are what users like; ``popularity`` (I,),
    what is added for each item."""

    users: Scores
    items: Scores
    popularity: Scores

    @property
    def affinity(self) -> Scores:
        """What users like, (U, I)."""
        return self.users @ self.items.T


def hidden(users: int, items: int) -> Hidden:
    """What the data set of so many users and items is made of."""
    return _hidden(users, items, np.random.default_rng(SEED))


def affinity(users: int, items: int, interactions: int) -> Interactions:
    """``interactions`` in all, always the same ones; DataError where users cannot have as many."""
    fewest, most = FEWEST * users + items, users * (items // 2)
    if not fewest <= interactions <= most:
        raise DataError(
            f"data.interactions: {interactions} of {users} users and {items} items; give {fewest} "
            f"to {most}"
        )
    rng = np.random.default_rng(SEED)
    parts = _hidden(users, items, rng)
    first = _first_users(parts, rng)
    of_first = np.bincount(first, minlength=users)
    counts = _counts(np.maximum(of_first, FEWEST), items - 1, interactions, rng)
    found = [(first, np.arange(items))]
    for block in blocks(users, items):
        scores = parts.users[block] @ parts.items.T + parts.popularity
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        taken = np.flatnonzero((block.start <= first) & (first < block.stop))
        weights[first[taken] - block.start, taken] = 0
        rows, columns = drawn(weights, (counts - of_first)[block], rng)
        found.append((block.start + rows, columns))
    of_users, of_items = (np.concatenate(part) for part in zip(*found, strict=True))
    order = np.lexsort((of_items, of_users))
    user_ids, item_ids = (tuple(map(str, range(count))) for count in (users, items))
    info = DatasetInfo(feature_names=("user", "item"))
    return Interactions(of_users[order], of_items[order], user_ids, item_ids, info=info)


def _hidden(users: int, items: int, rng: np.random.Generator) -> Hidden:
    scale = np.sqrt(AFFINITY_STD) / FEATURES**0.25
    of_users, of_items = (scale * rng.standard_normal((n, FEATURES)) for n in (users, items))
    rank = 1 + rng.permutation(items)
    return Hidden(of_users, of_items, -EXPONENT * np.log(rank))


def _first_users(parts: Hidden, rng: np.random.Generator) -> NDArray[np.int64]:
    """Of every item a user that takes it, (I,), drawn by how much users like it."""
    found = []
    for block in blocks(len(parts.items), len(parts.users)):
        weights = np.exp(parts.items[block] @ parts.users.T)
        found.append(drawn(weights, np.ones(len(weights), np.int64), rng)[1])
    return np.concatenate(found)


def _counts(
    fewest: NDArray[np.int64], most: int, total: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """How many items each user takes, (U,): ``fewest`` (U,) at least, ``most`` at most, and what is
    beyond spread in lognormal shares; ``total`` together."""
    counts, shares = fewest.copy(), rng.lognormal(sigma=SPREAD, size=len(fewest))
    while left := total - int(counts.sum()):
        shares = np.where(counts < most, shares, 0)
        more = np.floor(left * shares / shares.sum()).astype(np.int64)
        if not more.any():
            # Fewer are left than there are users with room.
            more[np.argsort(-shares, kind="stable")[:left]] = 1
        counts = np.minimum(counts + more, most)
    return counts

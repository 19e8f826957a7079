"""Splits of every user by itself, so that each has something to learn from and is tested.

N interactions, U users, N_s of split s.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from trainers.data.splits import Rows, share_of
from trainers.recommendation.data.dataset import Interactions
from trainers.settings import TEACHER_SPLIT, SplitFractions

# A user with fewer interactions is trained on alone.
FEWEST = 10
# The splits in the order in which a user's interactions are dealt; ``""``: what is in none.
DEALT = ("train", "", TEACHER_SPLIT, "meta", "validation", "test")


def rows_by_user(
    dataset: Interactions, fractions: SplitFractions, rng: np.random.Generator
) -> dict[str, Rows]:
    """Row numbers of each split, in an order drawn by ``rng``; how many of each user are in which
    is the same for every draw.

    Of a user with n interactions, `FEWEST` at least, every split but train has its share of n,
    rounded up, and train the rest, or its share rounded down where shares add up to less than 1.
    Where the order counts, the user's first are trained on and its last are tested; what came at
    one time is in the order of the draw.
    """
    of_users = np.bincount(dataset.users, minlength=len(dataset.user_ids))
    distinct, of_count = np.unique(of_users, return_inverse=True)
    each = [_counts(fractions, int(n)) for n in distinct]
    counts = np.array([[of.get(name, 0) for name in DEALT] for of in each])[of_count]
    dealt = _by_user(dataset, rng)
    split = np.repeat(np.tile(np.arange(len(DEALT)), len(of_users)), counts.ravel())
    rows = {name: rng.permutation(dealt[split == DEALT.index(name)]) for name in fractions.drawn()}
    if fractions.clean is not None:
        rows["meta"] = rows["meta"][: share_of(fractions.clean, len(dataset))]
    return rows


def split_problem(dataset: Interactions, fractions: SplitFractions) -> str | None:
    """Why a split would hold nothing, or less than is asked for, or None."""
    of_users = np.bincount(dataset.users, minlength=len(dataset.user_ids))
    large = of_users[of_users >= FEWEST]
    if not len(large):
        return (
            f"no user has {FEWEST} interactions, without which nothing of a user is held out; the "
            f"most that one has is {of_users.max(initial=0)}: take more data (raise data.examples "
            "or lower data.min_rating, where they are given)"
        )
    if fractions.clean is None:
        return None
    meta = sum(_counts(fractions, int(n))["meta"] for n in large)
    if (clean := share_of(fractions.clean, len(dataset))) > meta:
        return (
            f"data.clean: {fractions.clean:g} of {len(dataset)} interactions is {clean}, and the "
            f"meta split has {meta}, since users with fewer than {FEWEST} have none in it; lower it"
        )
    return None


def _by_user(dataset: Interactions, rng: np.random.Generator) -> NDArray[np.int64]:
    """All row numbers (N,), user by user, of each in the order in which they are dealt."""
    order = rng.permutation(len(dataset))
    keys = [dataset.users[order]]
    if dataset.times is not None:
        keys.insert(0, dataset.times[order])
    # The last key counts first; what is equal stays in the order of the draw.
    dealt: NDArray[np.int64] = order[np.lexsort(keys)]
    return dealt


def _counts(fractions: SplitFractions, interactions: int) -> Mapping[str, int]:
    """Of one user; the largest of the others give what train lacks for one."""
    if interactions < FEWEST:
        return {"train": interactions}
    shares = dict(fractions.drawn())
    whole, train = sum(shares.values()) > 1 - 1e-9, shares.pop("train")
    counts = {name: math.ceil(share * interactions - 1e-9) for name, share in shares.items()}
    while sum(counts.values()) >= interactions:
        counts[max(counts, key=lambda name: counts[name])] -= 1
    rest = interactions - sum(counts.values())
    counts["train"] = rest if whole else min(rest, max(1, share_of(train, interactions)))
    counts[""] = rest - counts["train"]
    return counts

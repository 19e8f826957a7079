"""What a look at interactions shows.

U users, I items, N interactions.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset
from trainers.data.errors import counted
from trainers.data.inspection import Inspection, SplitRows, inspect_any
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.splits import FEWEST

# From these shares on users that are tested nowhere, and items that nobody learns, are told.
UNTESTED, COLD = 0.2, 0.1
# Below it the share of pairs that are interactions is told.
SPARSE = 1e-3
# The share of items that count as popular.
POPULAR = 0.1


def inspect(dataset: Dataset, rows: SplitRows) -> Inspection:
    """Its size, how much of users and items there is, and how unequal that is; ``rows`` are those
    of the splits under one seed."""
    assert isinstance(dataset, Interactions)
    known = inspect_any(dataset, rows)
    users, items = dataset.shape
    of_users = np.bincount(dataset.users, minlength=users)
    of_items = np.bincount(dataset.items, minlength=items)
    trained = np.bincount(dataset.items[rows["train"]], minlength=items)
    held_out = np.zeros(users, bool)
    for split in set(rows) - {"train"}:
        held_out[dataset.users[rows[split]]] = True
    facts: dict[str, Any] = {
        # The shape is that of all users and items, which are told beside.
        **{name: fact for name, fact in known.facts.items() if name != "input_shape"},
        "users": users,
        "items": items,
        "density": float(f"{len(dataset) / (users * items):.3g}"),
        "interactions_per_user": _spread(of_users),
        "interactions_per_item": _spread(of_items),
        "users_in_training_alone": int((~held_out).sum()),
        "items_without_training": int((trained == 0).sum()),
        "popular_tenth_share": _share_of_popular(of_items),
        "popularity_gini": round(gini(of_items), 3),
    }
    warnings = [*known.warnings, *_odd(facts, int((of_users == 1).sum()))]
    return Inspection(facts, known.classes, warnings)


def _odd(facts: Mapping[str, Any], single: int) -> Iterator[str]:
    """Sentences on what may be a mistake; ``single``: users with one interaction."""
    users, items, density = facts["users"], facts["items"], facts["density"]
    untested, cold = facts["users_in_training_alone"], facts["items_without_training"]
    if single:
        yield (
            f"{counted(single, 'user')} with one interaction, on which students are trained and "
            "not tested; drop users with few"
        )
    if untested > UNTESTED * users:
        yield (
            f"{untested} of {users} users are trained on alone and say nothing of results, since "
            f"they have fewer than {FEWEST} interactions; drop them, or take more data"
        )
    if cold > COLD * items:
        yield (
            f"{cold} of {items} items have no training interaction under one seed, so that nothing "
            "is learned of them; drop items with few"
        )
    if density < SPARSE:
        yield (
            f"{100 * density:.2g} % of all pairs of users and items are interactions; drop users "
            "and items with few, or expect little to be learned"
        )


def gini(counts: NDArray[np.int64]) -> float:
    """0 where all counts (I,) are equal, towards 1 where one has all."""
    ordered, count = np.sort(counts), len(counts)
    rank = np.arange(1, count + 1)
    return float((2 * rank - count - 1) @ ordered / (count * ordered.sum()))


def _share_of_popular(of_items: NDArray[np.int64]) -> float:
    """The share of interactions that the most popular tenth of items has, one at least."""
    first = np.sort(of_items)[::-1][: max(1, round(POPULAR * len(of_items)))]
    return float(first.sum() / of_items.sum())


def _spread(counts: NDArray[np.int64]) -> dict[str, int]:
    return {
        "fewest": int(counts.min()),
        "median": int(np.median(counts)),
        "most": int(counts.max()),
    }

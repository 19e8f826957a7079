"""NOISE_KINDS: how interactions become false positives. Free of torch.

n interactions of a split, M pairs that are known, U users, I items; rate in [0, 1].
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.entries import NoiseEntry
from trainers.recommendation.data.without_replacement import blocks, drawn

Numbers = NDArray[np.int64]


class Positives(NamedTuple):
    """What a noise kind may look at: ``users``, ``items`` (n,) of a split.

    ``known_users``, ``known_items`` (M,): the pairs that no false positive may be, those of the
    whole data set among them. ``popularity`` (I,): interactions of each item in that.
    """

    users: Numbers
    items: Numbers
    known_users: Numbers
    known_items: Numbers
    popularity: Numbers


# Of every item how likely it is drawn, (I,), up to a factor.
Weights = Callable[[Numbers], NDArray[np.float64]]
Corruption = Callable[[Positives, float, np.random.Generator], Numbers]


def corrupted_items(
    positives: Positives, kind: str, rate: float, rng: np.random.Generator
) -> Numbers:
    """New items (n,); at rate 0 the true ones, whatever the kind."""
    if rate == 0:
        return positives.items.copy()
    given: Numbers = NOISE_KINDS[kind].corrupt(positives, rate, rng)
    return given


def _swapped(weights_of: Weights) -> Corruption:
    """The kind that gives round(rate n) interactions, chosen at random, another item that their
    user has not, and no item of a user twice; fewer where a user has too few left."""

    def corrupt(positives: Positives, rate: float, rng: np.random.Generator) -> Numbers:
        noisy = positives.items.copy()
        chosen = rng.permutation(len(noisy))[: round(rate * len(noisy))]
        chosen = chosen[np.argsort(positives.users[chosen], kind="stable")]
        of_chosen = positives.users[chosen]
        users, items = _false(positives, weights_of(positives.popularity), of_chosen, rng)
        # Of each user the first of those chosen, as many as there are items for.
        place = np.arange(len(chosen)) - np.searchsorted(of_chosen, of_chosen)
        changed = place < np.bincount(users, minlength=_count(positives))[of_chosen]
        noisy[chosen[changed]] = items
        return noisy

    return corrupt


def _false(
    positives: Positives, weights: NDArray[np.float64], asked: Numbers, rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Pairs of users and items, user by user, that are not known: of each user as many as ``asked``
    names it, or as there are."""
    wanted = np.bincount(asked, minlength=_count(positives))
    order = np.argsort(positives.known_users, kind="stable")
    known_users, known_items = positives.known_users[order], positives.known_items[order]
    found = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for block in blocks(len(wanted), len(weights)):
        start, stop = np.searchsorted(known_users, (block.start, block.stop))
        free = np.tile(weights, (block.stop - block.start, 1))
        free[known_users[start:stop] - block.start, known_items[start:stop]] = 0
        rows, items = drawn(free, wanted[block], rng)
        found.append((block.start + rows, items))
    users, items = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return users, items


def _count(positives: Positives) -> int:
    """U, or fewer where the last have no interaction."""
    return int(positives.known_users.max(initial=-1)) + 1


def _uniform(popularity: Numbers) -> NDArray[np.float64]:
    return np.ones(len(popularity))


def _popular(popularity: Numbers) -> NDArray[np.float64]:
    return popularity.astype(np.float64)


NOISE_KINDS: Mapping[str, NoiseEntry] = {
    "swap": NoiseEntry(
        _swapped(_uniform),
        "an item that the user never took, each as likely; the rate is that of interactions",
        "own",
    ),
    "swap_popular": NoiseEntry(
        _swapped(_popular),
        "an item that the user never took, as likely as it is popular; the rate is that of "
        "interactions",
        "own",
    ),
}

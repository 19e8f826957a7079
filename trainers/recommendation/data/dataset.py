"""Interactions of users with items, in memory.

N interactions, U users, I items.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainers.data import dataset
from trainers.data.dataset import NOTHING_TOLD, DatasetInfo
from trainers.data.errors import counted
from trainers.settings import DataSpec

# Scores that are kept of a teacher: half a gigabyte.
MOST_SCORES = 2**27


@dataclass(frozen=True)
class Interactions(dataset.Dataset):
    """``users`` (N,) and ``items`` (N,) int64: who took what, by number, no pair of them twice.

    ``user_ids`` (U,), ``item_ids`` (I,): what they are called, by number; every one of either is in
    some interaction of the whole data set, and may be in none of a part of it. ``times`` (N,)
    int64, by which interactions of a user come one after the other; None where the order is not to
    count.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    times: NDArray[np.int64] | None = None
    official_test: int = 0
    info: DatasetInfo = NOTHING_TOLD

    def __len__(self) -> int:
        return len(self.users)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Users."""
        return self.users

    @property
    def shape(self) -> tuple[int, ...]:
        """How many users and items there are."""
        return len(self.user_ids), len(self.item_ids)

    def take(self, rows: NDArray[np.int64], official_test: int) -> Self:
        return replace(
            self,
            users=self.users[rows],
            items=self.items[rows],
            times=None if self.times is None else self.times[rows],
            official_test=official_test,
        )

    def problem(self, spec: DataSpec) -> str | None:
        if problem := self._misfit():
            return problem
        users, items = self.shape
        if items < 2:
            return f"{counted(items, 'item')}; a choice needs two at least"
        pairs = self.users * items + self.items
        if twice := len(pairs) - len(np.unique(pairs)):
            return f"{counted(twice, 'interaction')} there already; drop these"
        of_users = np.bincount(self.users, minlength=users)
        if len(sated := np.flatnonzero(of_users == items)):
            return (
                f"the user {self.user_ids[sated[0]]!r} has taken every item, so that there is none "
                "to set against them; drop the user"
            )
        return None

    def _misfit(self) -> str | None:
        """Why it does not hold numbers of users and items, as code of the user's own may give
        them."""
        for name, numbers, ids in (
            ("users", self.users, self.user_ids),
            ("items", self.items, self.item_ids),
        ):
            if numbers.dtype != np.int64 or numbers.shape != (len(self),):
                return (
                    f"its {name} are {numbers.dtype} of the shape {numbers.shape}; give a number "
                    "of each interaction as int64"
                )
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(ids):
                return (
                    f"its {name} go from {numbers.min()} to {numbers.max()}; of "
                    f"{len(ids)} they are 0 to {len(ids) - 1}"
                )
        return None


def too_many_scores(users: int, items: int) -> str | None:
    """Why a teacher's scores of so many users and items cannot be kept, or None."""
    if users * items <= MOST_SCORES:
        return None
    return (
        f"a teacher's scores of {users} users and {items} items are {users * items} numbers, and "
        f"{MOST_SCORES} are the most that is kept; take fewer users or items, or methods without a "
        "teacher"
    )

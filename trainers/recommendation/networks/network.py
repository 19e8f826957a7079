"""What every network of the task is: one that scores items for users.

L lanes, N training interactions, B examples, S items of each, U users, I items.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork, Output


class Asked(NamedTuple):
    """What a network is asked about: ``users`` (L, B) and for each of them ``items`` (L, B, S)."""

    users: Tensor
    items: Tensor


class Known(NamedTuple):
    """What a network is made for: the training interactions of every lane, ``users`` and ``items``
    (L, N), how many ``users_count`` U and ``items_count`` I there are, and how many items a user
    has at most, in all splits (``longest``)."""

    users: Tensor
    items: Tensor
    users_count: int
    items_count: int
    longest: int


class Recommender(LaneNetwork):
    """A network of scores over lanes.

    ``forward``: of what is asked, scores (L, B, S) as logits; as features what `pair_scores` needs
    to score any other pair, or None.

    Its buffers ``seen_users`` and ``seen_items`` (L, N) are the training interactions.
    """

    of_data = frozenset({"seen_users", "seen_items"})
    seen_users: Tensor
    seen_items: Tensor

    def __init__(self, known: Known) -> None:
        super().__init__()
        self.register_buffer("seen_users", known.users.clone())
        self.register_buffer("seen_items", known.items.clone())
        self._shape, self._longest = (known.users_count, known.items_count), known.longest
        # Examples are two numbers and their vectors; nothing else is made of them.
        self.widest = 1

    @abstractmethod
    def forward(self, x: Asked) -> Output: ...

    @abstractmethod
    def lists(self, lane: int, order: Tensor) -> "Lists":
        """The scores of all items of one lane, items in the order of ``order`` (I,)."""

    def penalty(self, x: Asked) -> Tensor:
        """Half the squared length of the vectors of each example, (L, B), of its items but the
        first the mean; here none."""
        return torch.zeros(x.users.shape, device=x.users.device)


class Lists(NamedTuple):
    """Scores user by item: the product of ``left`` (U, D) and ``right`` (D, I), or, where that is
    None, ``left`` (U, I) itself."""

    left: Tensor
    right: Tensor | None = None

    def of(self, users: slice | Tensor) -> Tensor:
        """The scores (n, I) of some users, of their own memory."""
        if self.right is None:
            return self.left[users].clone()
        return self.left[users] @ self.right


def rows_of(table: Tensor, numbers: Tensor) -> Tensor:
    """The rows (L, ..., D) of each lane's table (L, X, D) at ``numbers`` (L, ...)."""
    lanes, count, width = table.shape
    first = torch.arange(lanes, device=numbers.device) * count
    places = numbers.flatten(1) + first.unsqueeze(1)
    return table.flatten(0, 1).index_select(0, places.flatten()).view(*numbers.shape, width)


def seen_table(weights: Mapping[str, Any], shape: tuple[int, int], columns: int) -> Tensor:
    """The items that each user has in training, (U, columns), filled up with I; ``weights``: of one
    lane."""
    count, items = shape
    users, taken = weights["seen_users"], weights["seen_items"]
    order = (users * items + taken).argsort()
    users, taken = users[order], taken[order]
    of_users = torch.bincount(users, minlength=count)
    place = torch.arange(len(users)) - (of_users.cumsum(0) - of_users)[users]
    table = torch.full((count, columns), items)
    table[users, place] = taken
    return table

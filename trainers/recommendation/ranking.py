"""Lists of recommended items for the users of a split, out of all items.

U users with an item to be found, I items.

Items that a user is known to have taken are in no list. Of equal scores the item that comes first
in a drawn order is the better one, so that scores that say nothing are worth what chance is.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.recommendation.measures import LONGEST, Found, top
from trainers.recommendation.networks.network import Lists

# Scores of a block of users that stay near a processor.
AT_ONCE = 2**18

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Ranking:
    """One lane's: ``order`` (I,): the items as they are renumbered; ``known_users``,
    ``known_items``: what is in no list; ``users``, ``items`` (n,): what is to be found, by example;
    ``popular`` (I,) bool: which items are."""

    order: Numbers
    known_users: Numbers
    known_items: Numbers
    users: Numbers
    items: Numbers
    popular: NDArray[np.bool_]

    @cached_property
    def of_users(self) -> Tensor:
        """The users with an item to be found, (U,), in ascending order."""
        return torch.as_tensor(np.unique(self.users))

    @cached_property
    def torch_order(self) -> Tensor:
        return torch.as_tensor(self.order)

    def listed(self, scores: Lists) -> Tensor:
        """The places in ``order`` of the items of each user's list, (U, LONGEST), the best first;
        -1 where there is none."""
        found = torch.full((len(self.of_users), LONGEST), -1)
        places = min(LONGEST, len(self.order))
        for block in self._blocks:
            part = self._scores(scores, block)
            columns = top(part, places)
            nobody = part.gather(1, columns) == -torch.inf
            found[block, :places] = columns.masked_fill(nobody, -1)
        return found

    def found(self, scores: Lists) -> Found:
        """What is in each user's list."""
        listed = self.listed(scores)
        hits = torch.zeros_like(listed, dtype=torch.bool)
        for block in self._blocks:
            wanted = torch.zeros(block.stop - block.start, len(self.order), dtype=torch.bool)
            begin, end = torch.searchsorted(
                self._to_find, torch.tensor([block.start, block.stop]) * len(self.order)
            )
            wanted.view(-1)[self._to_find[begin:end] - block.start * len(self.order)] = True
            hits[block] = wanted.gather(1, listed[block].clamp(min=0))
        hits &= listed >= 0
        popular = self._popular[listed.clamp(min=0)] & (listed >= 0)
        return Found(hits, popular, listed, self._counts, self._popular_counts, len(self.order))

    def ranks(self, scores: Lists) -> Tensor:
        """The rank, from 1, of each example's item among those that can be in its user's list,
        (n,)."""
        found = torch.zeros(len(self.users), dtype=torch.int64)
        of_user, column = self._place_of_user[self.users], self._place_of_item[self.items]
        columns = torch.arange(len(self.order))
        for block in self._blocks:
            part = self._scores(scores, block).cpu()
            (rows,) = np.nonzero((of_user >= block.start) & (of_user < block.stop))
            mine = part[torch.as_tensor(of_user[rows] - block.start)]
            at = torch.as_tensor(column[rows]).unsqueeze(1)
            own = mine.gather(1, at)
            better = (mine > own) | ((mine == own) & (columns < at))
            found[torch.as_tensor(rows)] = 1 + better.sum(1)
        return found

    @cached_property
    def _blocks(self) -> list[slice]:
        size = max(1, AT_ONCE // len(self.order))
        starts = range(0, len(self.of_users), size)
        return [slice(start, min(start + size, len(self.of_users))) for start in starts]

    def _scores(self, scores: Lists, block: slice) -> Tensor:
        """Scores of a block of users, items renumbered, -inf for what is known."""
        part = scores.of(self.of_users[block])
        at, starts = self._known
        begin, end = starts[block.start], starts[block.stop]
        part.view(-1)[at[begin:end] - block.start * len(self.order)] = -torch.inf
        return part

    @cached_property
    def _known(self) -> tuple[Tensor, list[int]]:
        """What is in no list, as user times I plus place in the order, ascending; and where those
        of each user begin, and the last end."""
        at = self._keys(self.known_users, self.known_items)
        starts = np.searchsorted(at, np.arange(len(self.of_users) + 1) * len(self.order))
        return torch.as_tensor(at), starts.tolist()

    @cached_property
    def _to_find(self) -> Tensor:
        """What is to be found, in the same way."""
        return torch.as_tensor(self._keys(self.users, self.items))

    @cached_property
    def _counts(self) -> Tensor:
        return torch.bincount(self._to_find // len(self.order), minlength=len(self.of_users))

    @cached_property
    def _popular_counts(self) -> Tensor:
        popular = self._popular[self._to_find % len(self.order)]
        users = self._to_find[popular] // len(self.order)
        return torch.bincount(users, minlength=len(self.of_users))

    @cached_property
    def _popular(self) -> Tensor:
        """Which places in the order hold a popular item."""
        return torch.as_tensor(self.popular[self.order])

    @cached_property
    def _place_of_item(self) -> Numbers:
        place = np.empty_like(self.order)
        place[self.order] = np.arange(len(self.order))
        return place

    @cached_property
    def _place_of_user(self) -> Numbers:
        """Of every user that there is, the place among those with an item to be found, or -1."""
        most = max(int(self.users.max()), int(self.known_users.max(initial=0)))
        place = np.full(1 + most, -1)
        place[self.of_users.numpy()] = np.arange(len(self.of_users))
        return place

    def _keys(self, users: Numbers, items: Numbers) -> Numbers:
        """Pairs of users with an item to be found, as numbers in ascending order, none twice."""
        place = self._place_of_user[users]
        keys = place * len(self.order) + self._place_of_item[items]
        return np.unique(keys[place >= 0])

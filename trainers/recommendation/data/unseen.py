"""Items that users have not taken, drawn uniformly, without drawing twice.

L lanes, N interactions of a lane, U users, I items.

With a_0 < a_1 < ... the items of a user, the r-th (from 0) of the others is r + #{k: a_k - k <= r}.
"""

import torch
from torch import Tensor

from trainers.lanes.shared import once


class Unseen:
    """What each user of each lane has not taken."""

    def __init__(self, users: Tensor, items: Tensor, shape: tuple[int, int]) -> None:
        """``users``, ``items``: the interactions (L, N), no pair of them twice; ``shape``: U, I."""
        count, self._items = shape
        pairs = (users * self._items + items).sort(1).values
        users = pairs // self._items
        lanes, n = pairs.shape
        ones = torch.ones_like(users)
        taken = torch.zeros(lanes, count, dtype=torch.int64, device=users.device)
        taken = taken.scatter_add_(1, users, ones)
        starts = taken.cumsum(1) - taken
        place = torch.arange(n, device=users.device) - starts.gather(1, users)
        # In order over all users: what is left of an item's number without those before it.
        gaps = users * (self._items + 1) + pairs % self._items - place
        self._gaps, self._starts, self._taken = once(gaps), once(starts), once(taken)

    @property
    def counts(self) -> Tensor:
        """How many items each user has not taken, (L, U)."""
        return self._items - self._taken

    def of(self, users: Tensor, x: Tensor) -> Tensor:
        """An item that each of ``users`` (L, B) has not taken, for each number x in [0, 1):
        ``(L, B, ...)`` as x."""
        shape = x.shape
        more = [1] * (x.dim() - 2)
        left = self.counts.gather(1, users).view(*users.shape, *more)
        r = (x * left).long()
        first = self._starts.gather(1, users).view(*users.shape, *more)
        keys = (users * (self._items + 1)).view(*users.shape, *more) + r
        gaps = self._gaps.contiguous()
        below = torch.searchsorted(gaps, keys.flatten(1), right=True).view(shape)
        return r + below - first

    def keep(self, lanes: Tensor) -> "Unseen":
        """Those of some lanes (indices)."""
        kept = object.__new__(Unseen)
        kept._items = self._items
        kept._gaps, kept._starts, kept._taken = (
            t[lanes] for t in (self._gaps, self._starts, self._taken)
        )
        return kept

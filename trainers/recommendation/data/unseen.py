"""Items that users have not taken, drawn uniformly, each with one number.

L lanes, T draws of interactions, N interactions of each, U users, I items.

Of a number x the item floor(I x) is taken, unless the user has it. Then what is behind the point of
I x, uniform by itself, is the number of another draw, exact at once: with a_0 < a_1 < ... the items
of a user, the r-th (from 0) of the others is r + #{k: a_k - k <= r}.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

BITS = 8  # of a byte


class Unseen:
    """What each user of each lane has not taken."""

    def __init__(self, users: Tensor, items: Tensor, which: Tensor, shape: tuple[int, int]) -> None:
        """``users``, ``items``: the interactions of each draw (T, N), no pair of them twice;
        ``which`` (L,): the draw of each lane; ``shape``: U, I."""
        self._users, self._items = shape
        self._which = which
        pairs = (users * self._items + items).sort(1).values
        users = pairs // self._items
        draws, n = pairs.shape
        taken = torch.zeros(draws, self._users, dtype=torch.int64, device=users.device)
        self._taken = taken.scatter_add_(1, users, torch.ones_like(users))
        starts = self._taken.cumsum(1) - self._taken
        place = torch.arange(n, device=users.device) - starts.gather(1, users)
        first = torch.arange(draws, device=users.device).unsqueeze(1)
        # What is left of an item's number without those before it, in order over users and draws.
        gaps = self._key(first, users) + pairs % self._items - place
        self._gaps, self._starts = gaps.flatten(), starts + first * n
        self._bits = _packed(pairs, shape)

    @property
    def counts(self) -> Tensor:
        """How many items each user has not taken, (L, U)."""
        return self._items - self._taken[self._which]

    def of(self, users: Tensor, x: Tensor) -> Tensor:
        """An item that each of ``users`` (L, B) has not taken, for each number x in [0, 1):
        ``(L, B, ...)`` as x, in double precision."""
        more = [1] * (x.dim() - 2)
        of_users = users.view(*users.shape, *more).expand(x.shape)
        draws = self._which.view(-1, 1, *more).expand(x.shape)
        scaled = x * self._items
        found = scaled.long()
        has = self._has(draws, of_users, found)
        again = has.nonzero(as_tuple=True)
        if len(again[0]):
            rest = scaled[again] - found[again]
            found[again] = self._exact(draws[again], of_users[again], rest)
        return found

    def keep(self, lanes: Tensor) -> "Unseen":
        """Those of some lanes (indices)."""
        kept = object.__new__(Unseen)
        kept.__dict__.update(self.__dict__)
        kept._which = self._which[lanes]
        return kept

    def _has(self, draws: Tensor, users: Tensor, items: Tensor) -> Tensor:
        """Whether users have items, of the shape that they all have."""
        row = (draws * self._users + users) * self._bits.shape[1]
        byte = self._bits.view(-1).index_select(0, (row + items // BITS).flatten())
        bit = 1 << (items % BITS).to(torch.uint8)
        return (byte.view(items.shape) & bit) != 0

    def _exact(self, draws: Tensor, users: Tensor, x: Tensor) -> Tensor:
        """The item (n,) for each user and number, without drawing twice."""
        r = (x * (self._items - self._taken[draws, users])).long()
        below = torch.searchsorted(self._gaps, self._key(draws, users) + r, right=True)
        return r + below - self._starts[draws, users]

    def _key(self, draws: Tensor, users: Tensor) -> Tensor:
        """Where the numbers of a user's items begin, so that all are in ascending order."""
        return (draws * self._users + users) * (self._items + 1)


def _packed(pairs: Tensor, shape: tuple[int, int]) -> Tensor:
    """Whether each user of each draw has each item, a bit each, (T U, ceil(I / 8)); ``pairs``
    (T, N): user times I plus item."""
    users, items = shape
    columns = -(-items // BITS)
    value = 1 << torch.arange(BITS, dtype=torch.uint8, device=pairs.device)
    packed = []
    for of_draw in pairs:
        has = torch.zeros(users, items, dtype=torch.uint8, device=pairs.device)
        has.view(-1)[of_draw] = 1
        padded = F.pad(has, (0, columns * BITS - items)).view(users, columns, BITS)
        packed.append((padded * value).sum(2, dtype=torch.uint8))
    return torch.cat(packed)

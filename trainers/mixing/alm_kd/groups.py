"""Which examples an update of ALM-KD's weights takes together.

N training examples of a lane, J groups of G of them, V held-out examples for each group.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from trainers.lanes.batches import batch_sizes
from trainers.task import TaskData

EVERY = slice(None)


@dataclass(frozen=True)
class Deal:
    """The groups of some lanes, as one leading dimension of len(at) * J; some of them are a part.

    ``at``: the lanes. ``train_index`` (len(at), J, G), ``meta_index`` (len(at), J, V): places in
    the splits. The last group of a lane is filled up with repeated examples, marked by ``filled``
    0 (len(at) * J, G). ``scale``: the same, times the batch size over the examples in the batch
    that an example was dealt in. ``dealt``: how many training examples of a lane are in a group.
    """

    at: Tensor
    train_index: Tensor
    meta_index: Tensor
    filled: Tensor
    scale: Tensor
    dealt: int

    @staticmethod
    def draw(
        generators: list[torch.Generator], at: Tensor, batch_size: int, grad_fit: int,
        held_out_batch: int, data: TaskData,
    ) -> "Deal":  # fmt: skip
        """Groups of ``grad_fit`` batches in random order, held-out batches drawn in turn.

        ``held_out_batch``: V, at most as many as there are.

        In none of them are examples of the clean meta split that are trained on, and those that
        teachers may not be asked about (`TaskData.learned_places`). A batch that is
        not ``batch_size`` large counts as what it is, as in training.
        """
        learned = data.learned_places[at].cpu()
        n, n_meta, g = learned.shape[1], data.size("meta"), grad_fit * batch_size
        groups = math.ceil(n / g)
        v = held_out_batch
        fill = torch.arange(groups * g)
        window = torch.arange(groups * v) % n_meta
        order = torch.stack([torch.randperm(n, generator=x) for x in generators])[:, fill % n]
        train = learned.gather(1, order)
        meta = torch.stack([torch.randperm(n_meta, generator=x) for x in generators])[:, window]
        filled = (fill < n).view(groups, g).repeat(len(generators), 1)
        ratio = torch.ones(groups * g)
        sizes = torch.tensor(batch_sizes(n, batch_size))
        ratio[:n] = batch_size / sizes.repeat_interleave(sizes)
        device, dtype = at.device, torch.get_default_dtype()
        filled = filled.to(device, dtype)
        ratio = ratio.view(groups, g).repeat(len(generators), 1)
        return Deal(
            at,
            train.view(-1, groups, g).to(device),
            meta.view(-1, groups, v).to(device),
            filled,
            filled * ratio.to(device, dtype),
            n,
        )

    @property
    def groups(self) -> int:
        """J, how many groups each lane has."""
        return self.train_index.shape[1]

    @cached_property
    def lane(self) -> Tensor:
        """The lane of each group, (len(at) * J,)."""
        return self.at.repeat_interleave(self.groups)

    def index(self, split: str, part: slice = EVERY) -> Tensor:
        """Places in ``split`` of the examples of the part's groups, (groups, G or V)."""
        every = self.train_index if split == "train" else self.meta_index
        return every.flatten(0, 1)[part]

    def train(self, x: Tensor, part: slice = EVERY) -> Tensor:
        """(L, N, ...) to (groups of the part, G, ...)."""
        return self._take(x, self.index("train", part), part)

    def meta(self, x: Tensor, part: slice = EVERY) -> Tensor:
        """(L, N_meta, ...) to (groups of the part, V, ...)."""
        return self._take(x, self.index("meta", part), part)

    def _take(self, x: Tensor, index: Tensor, part: slice) -> Tensor:
        """Whole rows by one flat index, which is several times faster than by two."""
        places = index + (self.lane[part] * x.shape[1]).unsqueeze(1)
        return x.flatten(0, 1).index_select(0, places.flatten()).view(*places.shape, *x.shape[2:])

    def per_group(self, x: Tensor) -> Tensor:
        """(L,) to (len(at) * J,)."""
        return x[self.lane]

    def group(self, j: int, x: Tensor) -> Tensor:
        """Group ``j`` alone: (len(at) * J, ...) to (len(at), ...)."""
        return x.view(-1, self.groups, *x.shape[1:])[:, j]

    def only(self, j: int) -> "Deal":
        """Group ``j`` of every lane as a deal of its own."""
        return Deal(
            self.at,
            self.train_index[:, j : j + 1],
            self.meta_index[:, j : j + 1],
            self.group(j, self.filled),
            self.group(j, self.scale),
            self.dealt,
        )

    def put_back(self, x: Tensor, everyone: Tensor) -> None:
        """Write what `train` took, now changed, to its places in (L, N, ...)."""
        lanes, n = len(self.at), everyone.shape[1]
        places = (self.train_index.flatten(1) + (self.at * n).unsqueeze(1))[:, : self.dealt]
        changed = x.reshape(lanes, -1, *x.shape[2:])[:, : self.dealt]
        everyone.view(-1, *x.shape[2:]).index_copy_(0, places.flatten(), changed.flatten(0, 1))

"""Mini-batches of the clean meta split, one after the other, in an order of each lane's own.

L lanes, n examples of the meta split, V of a mini-batch.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.lanes.values import LaneValues
from trainers.task import Batch, TaskData


def held_out_sizes(values: LaneValues, batch_size: int, data: TaskData) -> list[int]:
    """V of every lane: its ``held_out_batch``, by default ``batch_size``; never more than n."""
    return [
        min(batch_size if given == "default" else int(given), data.size("meta"))
        for given in values.words["held_out_batch"]
    ]


class HeldOutBatches:
    """The meta split in random order, over and over; V examples at a time."""

    def __init__(
        self, data: TaskData, sizes: Sequence[int], seeds: Sequence[int], purpose: str
    ) -> None:
        """``sizes``: V of every lane."""
        self._data = data
        self._sizes = list(sizes)
        self._generators = [torch_generator(seed, purpose, "held out") for seed in seeds]
        n = data.size("meta")
        self._order = torch.zeros(len(seeds), n, dtype=torch.int64, device=data.device)
        self._next = [n] * len(seeds)

    def draw(self) -> list[tuple[Tensor, Batch]]:
        """The next V examples of every lane, by V: lanes (indices) and what they draw.

        Of an order that V does not divide, what is left at the end is left out.
        """
        drawn = []
        for size in dict.fromkeys(self._sizes):
            lanes = [lane for lane, own in enumerate(self._sizes) if own == size]
            at = torch.tensor(lanes, device=self._order.device)
            # Lanes of one V come to the end of their orders together.
            start = self._next[lanes[0]]
            if start + size > self._data.size("meta"):
                self._shuffle(lanes)
                start = 0
            for lane in lanes:
                self._next[lane] = start + size
            index = self._order[at, start : start + size]
            drawn.append((at, self._data.batch("meta", index, at)))
        return drawn

    def _shuffle(self, lanes: Sequence[int]) -> None:
        n = self._data.size("meta")
        for lane in lanes:
            self._order[lane] = torch.randperm(n, generator=self._generators[lane])

    def state(self) -> dict[str, Any]:
        """Where the draws are, the order drawn last, (L, n), and how much of it is used, (L,)."""
        return {
            "draws": places(self._generators),
            "order": self._order,
            "next": torch.tensor(self._next),
        }

    def load_state(self, state: State) -> None:
        """Put back what `state` gave."""
        wind(self._generators, state["draws"])
        self._order = state["order"].clone()
        self._next = state["next"].tolist()

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""
        chosen = lanes.tolist()
        self._sizes = [self._sizes[i] for i in chosen]
        self._generators = [self._generators[i] for i in chosen]
        self._next = [self._next[i] for i in chosen]
        self._order = self._order[lanes]

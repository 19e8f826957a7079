"""Mini-batches of the clean meta split, one after the other, in an order of each lane's own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.task import Batch, TaskData


class HeldOutBatches:
    """The meta split in random order, over and over; V examples at a time."""

    def __init__(self, data: TaskData, batch_size: int, seeds: Sequence[int], purpose: str) -> None:
        self._data = data
        self._size = min(batch_size, data.size("meta"))
        self._generators = [torch_generator(seed, purpose, "held out") for seed in seeds]
        self._left: list[Tensor] = []

    def draw(self) -> Batch:
        """The next V examples of every lane; a last batch of fewer is left out."""
        if not self._left:
            n = self._data.size("meta")
            order = torch.stack([torch.randperm(n, generator=g) for g in self._generators])
            whole = order[:, : n - n % self._size].to(self._data.device)
            self._left = list(torch.split(whole, self._size, dim=1))
        return self._data.batch("meta", self._left.pop(0))

    def state(self) -> dict[str, Any]:
        """Where the draws are, and what is left of the order drawn last, (L, any, V)."""
        shape = (self._data.lanes, 0, self._size)
        none = torch.zeros(shape, dtype=torch.int64, device=self._data.device)
        left = torch.stack(self._left, dim=1) if self._left else none
        return {"draws": places(self._generators), "left": left}

    def load_state(self, state: State) -> None:
        """Put back what `state` gave."""
        wind(self._generators, state["draws"])
        self._left = list(state["left"].unbind(1))

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""
        self._generators = [self._generators[i] for i in lanes.tolist()]
        self._left = [index[lanes] for index in self._left]

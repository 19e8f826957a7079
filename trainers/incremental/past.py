"""The student as it was when a task ended: the teacher of the next one, and what forgetting is
measured by.

L lanes, B examples, C classes.

What the teacher normalises by (``batch_norm``):
  frozen     the running statistics of the tasks before: LwF's
  batch      the statistics of the batch that it is asked about: Teacher Adaptation
  running    its running statistics, which go on moving with every training batch

In training mode running statistics are never read, so that of ``batch`` a student's numbers depend
on the batch alone. Whoever asks about many examples at once, as an update of weights does, has
these as the batch.

Source: arXiv 2308.09544 and its authors' public code.
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.state import State
from trainers.lanes.weights import keep_lanes
from trainers.settings import BatchNorm


class Past:
    """A copy of a student that nobody trains."""

    def __init__(self, student: LaneNetwork) -> None:
        self.network: LaneNetwork = copy.deepcopy(student).requires_grad_(False).eval()

    @torch.no_grad()
    def logits(
        self, inputs: Tensor, how: BatchNorm = "frozen", lanes: Tensor | None = None
    ) -> Tensor:
        """For inputs (L, B, ...), by lane: (L, B, C). ``lanes`` (L,): the lane of every row; by
        default all, in their order."""
        with self._mode(training=how == "batch"):
            if lanes is None:
                return self.network(inputs).logits
            own = {name: t[lanes] for name, t in self._named().items()}
            output: Output = functional_call(self.network, own, (inputs,))
            return output.logits

    @torch.no_grad()
    def see(self, inputs: Tensor) -> None:
        """Let its running statistics move with a training batch (L, B, ...)."""
        with self._mode(training=True):
            self.network(inputs)

    def state(self) -> dict[str, Any]:
        """Its parameters and buffers, as `trainers.lanes.state` has them."""
        return dict(self._named())

    @torch.no_grad()
    def load_state(self, state: State) -> None:
        """Put back what `state` gave, for the lanes that are left."""
        for name, tensor in self._named().items():
            tensor.copy_(state[name])

    def keep(self, lanes: Tensor) -> "Past":
        """The same for ``lanes`` (indices) alone."""
        kept = Past(self.network)
        keep_lanes(kept.network, lanes)
        return kept

    @contextmanager
    def _mode(self, training: bool) -> Iterator[None]:
        self.network.train(training)
        try:
            yield
        finally:
            self.network.eval()

    def _named(self) -> dict[str, Tensor]:
        return {**dict(self.network.named_parameters()), **dict(self.network.named_buffers())}

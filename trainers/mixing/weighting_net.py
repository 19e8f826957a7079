"""A net that weighs the terms of an example, and the steps that it takes.

L lanes, B examples of a batch, D inputs of the net, K weights that it gives.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from trainers.lanes.adam import LaneAdam
from trainers.lanes.layers import Linear, affine
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, numbered
from trainers.lanes.values import LaneValues

# L2 penalty in the gradient of the net: of the public code of arXiv 1902.07379 and 2605.17839.
NET_DECAY = 1e-4


class WeightingNet(nn.Module):
    """Fully connected layers with a curve between them and weights in (0, 1):
    ``(L, D, B) -> (L, K, B)``.

    ``widths``: D, those of the hidden layers, K.
    """

    def __init__(
        self,
        widths: Sequence[int],
        curve: Callable[[Tensor], Tensor],
        seeds: Sequence[int],
        purpose: str,
    ) -> None:
        super().__init__()
        generators = [torch_generator(seed, purpose, "net") for seed in seeds]
        self.layers = nn.ModuleList(Linear(d, k, generators) for d, k in pairwise(widths))
        self._curve = curve

    def forward(self, u: Tensor) -> Tensor:
        *hidden, out = self.layers
        for layer in hidden:
            u = self._curve(affine(layer, u))
        # The sigmoid; torch's own rounds the last elements of a tensor unlike those before them,
        # so that a lane would depend on its place.
        w: Tensor = 0.5 * (1 + torch.tanh(0.5 * affine(out, u)))
        return w


class NetSteps:
    """When a net steps and how far: Adam down the mean of several gradients.

    A gradient comes with every step of the student. Once ``held_out_batches`` of them are there,
    the net takes a step; by default each time. Its step size is ``net_lr``, multiplied by
    ``net_lr_decay`` whenever the size of the student's step falls from one epoch to the next.
    """

    def __init__(self, net: WeightingNet, values: LaneValues) -> None:
        lr = values.numbers["net_lr"]
        self._adam = LaneAdam(list(net.parameters()), lr, NET_DECAY)
        self._wanted = values.numbers.get("held_out_batches", torch.ones_like(lr))
        self._decay = values.numbers.get("net_lr_decay", torch.ones_like(lr))
        self._sum = [torch.zeros_like(p.data) for p in net.parameters()]
        self._there = torch.zeros_like(lr)
        self._student_lr = torch.zeros_like(lr)

    def begin_epoch(self, student_lr: Tensor) -> None:
        """Before every epoch, with the size (L,) of the student's step in it."""
        fell = student_lr < self._student_lr
        self._adam.multiply_lr(torch.where(fell, self._decay, torch.ones_like(self._decay)))
        self._student_lr = student_lr.clone()

    def add(self, gradients: Sequence[Tensor]) -> None:
        """Take note of a gradient of every parameter; lanes that have enough of them step."""
        for total, gradient in zip(self._sum, gradients, strict=True):
            total += gradient / _along_first(self._wanted, gradient)
        self._there += 1
        (due,) = (self._there >= self._wanted).nonzero(as_tuple=True)
        if len(due):
            self._adam.step([total[due] for total in self._sum], due)
            self._there[due] = 0
            for total in self._sum:
                total[due] = 0

    def state(self) -> dict[str, Any]:
        """What later steps need of earlier ones."""
        return {
            "adam": self._adam.state(),
            "sum": numbered(self._sum),
            "there": self._there,
            "student_lr": self._student_lr,
        }

    def load_state(self, state: State) -> None:
        """Put back what `state` gave."""
        self._adam.load_state(state["adam"])
        self._sum = [total.clone() for total in state["sum"].values()]
        self._there, self._student_lr = state["there"].clone(), state["student_lr"]

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices), the net too."""
        self._adam.keep(lanes)
        self._wanted, self._decay = self._wanted[lanes], self._decay[lanes]
        self._sum = [total[lanes] for total in self._sum]
        self._there, self._student_lr = self._there[lanes], self._student_lr[lanes]


def _along_first(x: Tensor, like: Tensor) -> Tensor:
    """(L,), broadcast over what else ``like`` (L, ...) has."""
    return x.view(-1, *[1] * (like.dim() - 1))

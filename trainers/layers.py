"""Layers whose parameters carry a leading lane dimension, so that lanes train side by side.

L lanes, B examples, D inputs, K outputs. Lane l of the output depends on lane l of the input and of
the parameters only, in the same arithmetic whatever L is (on a CPU: with one thread, and for layers
more than one wide). Examples come last: networks here are narrow and batches are not, and work
along the long dimension is several times faster.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """W x + b per lane: ``(L, D, B) -> (L, K, B)``.

    ``weight`` (L, K, D) and ``bias`` (L, K) start as in `torch.nn.Linear`, uniform in +-1/sqrt(D),
    drawn lane by lane from that lane's own generator.
    """

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        weight = [_uniform((outputs, inputs), bound, g) for g in generators]
        bias = [_uniform((outputs,), bound, g) for g in generators]
        self.weight = nn.Parameter(torch.stack(weight))
        self.bias = nn.Parameter(torch.stack(bias))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(2), self.weight, x)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)

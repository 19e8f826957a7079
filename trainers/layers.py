"""Layers whose parameters carry a leading lane dimension, so that lanes train side by side.

L lanes, B examples, D inputs, K outputs. Lane l of the output depends on lane l of the input and of
the parameters only, in the same arithmetic whatever L is, provided that torch uses one thread (more
divide a product by the shape of the whole stack) and no layer is one wide (a single lane of it takes
torch's path for vectors).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Linear(nn.Module):
    """x W + b per lane: ``(L, B, D) -> (L, B, K)``.

    ``weight`` is (L, D, K), transposed against `torch.nn.Linear`, ``bias`` (L, K); both start as
    there, uniform in +-1/sqrt(D), drawn lane by lane from that lane's own generator.
    """

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(inputs)
        weight = [_uniform((inputs, outputs), bound, g) for g in generators]
        bias = [_uniform((outputs,), bound, g) for g in generators]
        self.weight = nn.Parameter(torch.stack(weight))
        self.bias = nn.Parameter(torch.stack(bias))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight)


def _uniform(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=generator)

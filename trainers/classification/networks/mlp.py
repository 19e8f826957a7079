"""Multi-layer perceptrons.

D inputs, C classes.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.settings import ModelSpec


class Mlp(LaneNetwork):
    """Fully connected layers, ReLU between them: sizes D, hidden..., C. Images are flattened."""

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        sizes = [math.prod(shape), *spec.sizes["hidden"]]
        self.widest = max(*sizes, classes)
        self.body = nn.ModuleList(Linear(a, b, generators) for a, b in itertools.pairwise(sizes))
        self.head = Linear(sizes[-1], classes, generators)

    def forward(self, x: Tensor) -> Output:
        h = x.flatten(2).mT
        for layer in self.body:
            h = torch.relu(layer(h))
        return Output(h.mT, self.head(h).mT)

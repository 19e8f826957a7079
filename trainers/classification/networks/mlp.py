"""Multi-layer perceptrons.

D inputs, C classes.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.lanes.layers import BatchNorm1d, Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.settings import ModelSpec


class Mlp(LaneNetwork):
    """Fully connected layers, ReLU between them: sizes D, hidden..., C. Images are flattened.

    ``norm: batch``: what a hidden layer gives is normalised over the batch before its ReLU.
    """

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
        widths = sizes[1:] if spec.sizes.get("norm") == "batch" else []
        self.norms = nn.ModuleList(BatchNorm1d(width, len(generators)) for width in widths)
        self.head = Linear(sizes[-1], classes, generators)

    @property
    def last_bias(self) -> nn.Parameter:
        return self.head.bias

    def forward(self, x: Tensor) -> Output:
        h = x.flatten(2).mT
        for place, layer in enumerate(self.body):
            h = layer(h)
            if self.norms:
                h = self.norms[place](h)
            h = torch.relu(h)
        return Output(h.mT, self.head(h).mT)

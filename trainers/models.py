"""Students and teachers, made of lane layers.

L lanes, B examples, H features of the last layer, C classes.
"""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trainers.data.lanes import LaneData
from trainers.layers import Linear
from trainers.settings import ModelSpec

# Rows of one lane in a forward pass without gradients: large enough to leave Python behind.
EVALUATION_ROWS = 2048


class Output(NamedTuple):
    """What a classifier shows of a batch: last-layer features (L, B, H), logits (L, B, C)."""

    features: Tensor
    logits: Tensor


class LaneClassifier(nn.Module, ABC):
    """A classifier over lanes whose last layer is linear."""

    @abstractmethod
    def forward(self, x: Tensor) -> Output:
        """Inputs (L, B, ...) to features and logits."""

    def __call__(self, x: Tensor) -> Output:
        output: Output = super().__call__(x)
        return output


class Mlp(LaneClassifier):
    """Fully connected layers with ReLU between them: sizes D, hidden..., C."""

    def __init__(
        self, spec: ModelSpec, inputs: int, classes: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        sizes = [inputs, *spec.hidden]
        self.body = nn.ModuleList(Linear(a, b, generators) for a, b in itertools.pairwise(sizes))
        self.head = Linear(sizes[-1], classes, generators)

    def forward(self, x: Tensor) -> Output:
        h = x.flatten(2).mT
        for layer in self.body:
            h = torch.relu(layer(h))
        return Output(h.mT, self.head(h).mT)


Builder = Callable[[ModelSpec, int, int, Sequence[torch.Generator]], LaneClassifier]

MODELS: Mapping[str, Builder] = {"mlp": Mlp}


def build_model(
    spec: ModelSpec, inputs: int, classes: int, generators: Sequence[torch.Generator]
) -> LaneClassifier:
    """The network over ``len(generators)`` lanes, each started from its own generator."""
    return MODELS[spec.name](spec, inputs, classes, generators)


@torch.no_grad()
def frozen_output(model: LaneClassifier, data: LaneData, split: str) -> Output:
    """The output (L, N_s, ...) for a whole split in evaluation mode, without gradients."""
    was_training = model.training
    model.eval()
    places = torch.arange(data.size(split), device=data.inputs.device)
    parts = [
        model(data.inputs_of(split, part.expand(data.lanes, -1)))
        for part in torch.split(places, EVALUATION_ROWS)
    ]
    model.train(was_training)
    return Output(
        torch.cat([p.features for p in parts], 1), torch.cat([p.logits for p in parts], 1)
    )

"""What every student and teacher is: a classifier over lanes whose last layer is linear.

L lanes, B examples, H features of the last layer, C classes, ch channels.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainers.lanes.layers import Linear, fold
from trainers.lanes.state import State


class Output(NamedTuple):
    """What a classifier shows of a batch: last-layer features (L, B, H), logits (L, B, C)."""

    features: Tensor
    logits: Tensor


class LaneClassifier(nn.Module, ABC):
    """A classifier over lanes whose last layer is linear.

    ``widest``: elements of one example in the widest layer, which bounds how many examples fit in
    memory at once.
    """

    widest: int

    @abstractmethod
    def forward(self, x: Tensor) -> Output:
        """Inputs (L, B, ...) to features and logits."""

    def own_state(self) -> dict[str, Any]:
        """What training changes beside parameters and buffers, as `trainers.lanes.state` has it."""
        return {}

    def load_own_state(self, state: State) -> None:
        """Put back what `own_state` gave, for the lanes that are left."""

    def __call__(self, x: Tensor) -> Output:
        output: Output = super().__call__(x)
        return output


class ImageClassifier(LaneClassifier):
    """A convolutional network: `vectors` of the images, then the linear layer ``head``.

    On a GPU the lanes are computed together, by grouped convolutions. On a CPU these gain nothing,
    and a lane would not get the bits that it gets alone; so the lanes take turns there.
    """

    head: Linear

    @abstractmethod
    def vectors(self, x: Tensor, lanes: int) -> Tensor:
        """Images (B, L * ch, H, W) to the features (L, H, B) that the head reads."""

    def forward(self, x: Tensor) -> Output:
        if len(x) > 1 and x.device.type == "cpu":
            return self._in_turn(x)
        features = self.vectors(fold(x), len(x))
        return Output(features.mT, self.head(features).mT)

    def _in_turn(self, x: Tensor) -> Output:
        """Every lane as if it were alone, on its own part of parameters and buffers."""
        state = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        parts = {name: torch.split(t, 1) for name, t in state.items()}
        outputs = [
            functional_call(self, {name: t[lane] for name, t in parts.items()}, x[lane : lane + 1])
            for lane in range(len(x))
        ]
        features = torch.cat([o.features.mT for o in outputs])
        logits = torch.cat([o.logits.mT for o in outputs])
        return Output(features.mT, logits.mT)

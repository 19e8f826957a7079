"""What every network of the task is: one that says of each place what is there.

L lanes, B pictures of K channels, H x W pixels, T places, C classes, D features of a place.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork, Output


@dataclass(frozen=True)
class PictureFacts:
    """What networks are told of pictures: ``channels`` K, ``height`` H, ``width`` W, ``classes``
    C."""

    channels: int
    height: int
    width: int
    classes: int


class PictureNetwork(LaneNetwork):
    """A network of pictures over lanes."""

    @abstractmethod
    def forward(self, x: Tensor) -> Output:
        """Of pictures (L, B, K, H, W) the features (L, B, T, D) and the outputs (L, B, T, C + 4)
        of places; behind these what `look_beside` has it show."""

    @abstractmethod
    def look_beside(self, width: int, generators: Sequence[torch.Generator]) -> None:
        """From now on show ``width`` numbers more of each place, a linear map of its features that
        is trained beside the rest and is no part of a student by itself."""

"""Convolutions over lanes with normalisation within a picture.

L lanes, B pictures, D channels, K outputs, H x W pixels; lanes are folded into the channels.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.lanes.layers import Conv2d

EPSILON = 1e-5
# Channels that are normalised together, where that divides how many there are.
CHANNELS_OF_GROUP = 8


class GroupNorm(nn.Module):
    """Groups of channels of each picture to mean 0 and variance 1, then a scale and a shift per
    channel: ``(B, L * D, H, W)``.

    Nothing of a batch, so that pictures that only a part of training sees shift no statistics. Wu
    and He 2018, arXiv 1803.08494.
    """

    def __init__(self, channels: int, lanes: int) -> None:
        super().__init__()
        self.groups = channels // math.gcd(channels, CHANNELS_OF_GROUP)
        self.weight = nn.Parameter(torch.ones(lanes, channels))
        self.bias = nn.Parameter(torch.zeros(lanes, channels))

    def forward(self, x: Tensor) -> Tensor:
        groups = self.groups * len(self.weight)
        # torch has its forward-mode derivative for images whose channels come first alone.
        x = x.contiguous()
        return F.group_norm(x, groups, self.weight.flatten(), self.bias.flatten(), EPSILON)


class Layer(nn.Module):
    """A convolution of 3 x 3, normalised, then ReLU: ``(B, L * D, H, W) -> (B, L * K, H / stride,
    W / stride)``, rounded up."""

    def __init__(
        self, inputs: int, width: int, generators: Sequence[torch.Generator], stride: int = 1
    ) -> None:
        super().__init__()
        self.convolution = Conv2d(inputs, width, 3, generators, stride)
        self.norm = GroupNorm(width, len(generators))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.convolution(x))
        return F.relu(y)


def layers(
    inputs: int, width: int, count: int, generators: Sequence[torch.Generator], stride: int = 1
) -> nn.Sequential:
    """``count`` of them, the first of which has the stride."""
    return nn.Sequential(
        *(
            Layer(width if i else inputs, width, generators, 1 if i else stride)
            for i in range(count)
        )
    )

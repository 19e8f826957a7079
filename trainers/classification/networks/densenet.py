"""Densely connected networks, DenseNet-d-k: d = 3n + 4 layers, growth k.

C classes, L lanes. A 3x3 convolution to 16 channels; three blocks of n layers on maps of 1, 1/2,
1/4 of the image's side; BN, ReLU, global average, linear. A layer is BN-ReLU-3x3 convolution to k
channels and reads all that the layers before it in its block and the block's input gave. Between
blocks: BN, ReLU, a 1x1 convolution that keeps the number of channels, 2x2 average pooling.

Source: Huang et al. 2017, "Densely connected convolutional networks", arXiv 1608.06993, the basic
form without bottleneck and compression; its first 16 channels are 24 at growth 12 in the code of
arXiv 2202.03250. Departure: no dropout, which the paper has (0.2) where the data are not augmented.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.classification.networks.classifier import ImageClassifier
from trainers.classification.networks.table import image_shape
from trainers.lanes.layers import BatchNorm2d, Conv2d, Linear, global_average, halve, join
from trainers.settings import ModelSpec

FIRST, BLOCKS = 16, 3


class DenseNet(ImageClassifier):
    """DenseNet-``spec.depth``-``spec.growth``."""

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        image, height, width = image_shape(spec.name, shape)
        layers = (spec.sizes["depth"] - 4) // BLOCKS
        self.widest = max(image, FIRST + layers * spec.sizes["growth"]) * height * width
        self.first = Conv2d(image, FIRST, 3, generators)
        self.blocks = nn.ModuleList()
        self.transitions = nn.ModuleList()
        channels = FIRST
        for block in range(BLOCKS):
            if block:
                self.transitions.append(_NormConv(channels, channels, 1, generators))
            self.blocks.append(_Block(channels, layers, spec.sizes["growth"], generators))
            channels += layers * spec.sizes["growth"]
        self.last_norm = BatchNorm2d(channels, len(generators))
        self.head = Linear(channels, classes, generators, zero_bias=True)

    def vectors(self, x: Tensor, lanes: int) -> Tensor:
        x = self.blocks[0](self.first(x), lanes)
        for transition, block in zip(self.transitions, self.blocks[1:], strict=True):
            x = block(halve(transition(x)), lanes)
        return global_average(torch.relu_(self.last_norm(x)), lanes)


class _NormConv(nn.Module):
    """Normalisation, ReLU, convolution."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.norm = BatchNorm2d(inputs, len(generators))
        self.conv = Conv2d(inputs, outputs, kernel, generators)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(torch.relu_(self.norm(x)))
        return y


class _Block(nn.Module):
    """Layers of which each reads everything before it."""

    def __init__(
        self, inputs: int, layers: int, growth: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            _NormConv(inputs + i * growth, growth, 3, generators) for i in range(layers)
        )

    def forward(self, x: Tensor, lanes: int) -> Tensor:
        for layer in self.layers:
            x = join([x, layer(x)], lanes)
        return x

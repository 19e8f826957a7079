"""Wide residual networks WRN-d-k: d = 6n + 4 layers, k times as wide.

C classes, L lanes. A 3x3 convolution to 16 channels; three stages of n blocks on maps of 1, 1/2,
1/4 of the image's side with 16k, 32k, 64k channels; BN, ReLU, global average, linear. A block is
BN-ReLU-conv-BN-ReLU-conv plus its input; where the number of channels changes, plus a 1x1
convolution of its input after the first BN and ReLU.

Source: Zagoruyko and Komodakis 2016, "Wide residual networks", arXiv 1605.07146, and its authors'
public code. Departure: no dropout between the convolutions (an option there, off for most of its
tables).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.classification.networks.classifier import ImageClassifier
from trainers.classification.networks.table import image_shape
from trainers.lanes.layers import BatchNorm2d, Conv2d, Linear, global_average
from trainers.settings import ModelSpec

FIRST, WIDTHS = 16, (16, 32, 64)


class WideResNet(ImageClassifier):
    """WRN-``spec.depth``-``spec.width``."""

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(spec.name, shape)
        blocks = (spec.sizes["depth"] - 4) // 6
        self.widest = max(channels, WIDTHS[0] * spec.sizes["width"]) * height * width
        self.first = Conv2d(channels, FIRST, 3, generators)
        self.body = nn.ModuleList()
        inputs = FIRST
        for stage, narrow in enumerate(WIDTHS):
            outputs = narrow * spec.sizes["width"]
            for place in range(blocks):
                stride = 2 if stage and not place else 1
                self.body.append(_Block(inputs, outputs, stride, generators))
                inputs = outputs
        self.last_norm = BatchNorm2d(inputs, len(generators))
        self.head = Linear(inputs, classes, generators, zero_bias=True)

    def vectors(self, x: Tensor, lanes: int) -> Tensor:
        x = self.first(x)
        for block in self.body:
            x = block(x)
        return global_average(torch.relu_(self.last_norm(x)), lanes)


class _Block(nn.Module):
    """Normalisation and ReLU before each of two convolutions, and what leads past them."""

    def __init__(
        self, inputs: int, outputs: int, stride: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        lanes = len(generators)
        self.norm1 = BatchNorm2d(inputs, lanes)
        self.conv1 = Conv2d(inputs, outputs, 3, generators, stride)
        self.norm2 = BatchNorm2d(outputs, lanes)
        self.conv2 = Conv2d(outputs, outputs, 3, generators)
        self.projection = nn.ModuleList()
        if inputs != outputs:
            self.projection.append(Conv2d(inputs, outputs, 1, generators, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu_(self.norm1(x))
        for layer in self.projection:
            x = layer(y)
        y = torch.relu_(self.norm2(self.conv1(y)))
        sum_: Tensor = self.conv2(y).add_(x)
        return sum_

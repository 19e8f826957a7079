"""The residual networks for CIFAR: 6n + 2 layers, n = 1, 2, 3, 5, 7, 9, 18 for 8 ... 110.

C classes, L lanes. Three stages of n blocks on maps of 1, 1/2, 1/4 of the image's side with 16, 32,
64 channels; a block is conv-BN-ReLU-conv-BN plus its input, then ReLU; global average; linear.

Source: He et al. 2016, "Deep residual learning for image recognition", arXiv 1512.03385, 4.2. Where
a stage begins, the input of a block has fewer channels and more pixels than its output:
``shortcut: pad`` (the paper's option A, what it uses on CIFAR, and the default here) takes every
other pixel and appends zero channels; ``projection`` (option B, found in code of the distillation
literature) is a 1x1 convolution with BN. Option A has no parameters, so that the counts are those
of the paper. First weights as in `trainers.lanes.layers.Conv2d`; the head's bias starts at zero.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.classification.networks.classifier import ImageClassifier
from trainers.classification.networks.table import image_shape
from trainers.lanes.layers import (
    BatchNorm2d,
    Conv2d,
    Linear,
    every_other,
    global_average,
    pad_channels,
)
from trainers.settings import ModelSpec

WIDTHS = (16, 32, 64)


class CifarResNet(ImageClassifier):
    """ResNet of ``spec.depth`` layers."""

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(spec.name, shape)
        blocks = (spec.sizes["depth"] - 2) // 6
        self.widest = max(channels, WIDTHS[0]) * height * width
        self.first = Conv2d(channels, WIDTHS[0], 3, generators)
        self.first_norm = BatchNorm2d(WIDTHS[0], len(generators))
        self.body = nn.ModuleList()
        inputs = WIDTHS[0]
        for stage, outputs in enumerate(WIDTHS):
            for place in range(blocks):
                stride = 2 if stage and not place else 1
                projects = spec.sizes["shortcut"] == "projection"
                self.body.append(_Block(inputs, outputs, stride, projects, generators))
                inputs = outputs
        self.head = Linear(inputs, classes, generators, zero_bias=True)

    def vectors(self, x: Tensor, lanes: int) -> Tensor:
        x = torch.relu_(self.first_norm(self.first(x)))
        for block in self.body:
            x = block(x)
        return global_average(x, lanes)


class _Block(nn.Module):
    """Two convolutions and what leads past them."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        stride: int,
        projects: bool,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        lanes = len(generators)
        self.conv1 = Conv2d(inputs, outputs, 3, generators, stride)
        self.norm1 = BatchNorm2d(outputs, lanes)
        self.conv2 = Conv2d(outputs, outputs, 3, generators)
        self.norm2 = BatchNorm2d(outputs, lanes)
        self.missing = outputs - inputs
        self.projection = nn.ModuleList()
        if projects and self.missing:
            self.projection.append(Conv2d(inputs, outputs, 1, generators, stride))
            self.projection.append(BatchNorm2d(outputs, lanes))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu_(self.norm1(self.conv1(x)))
        # In place: batch normalisation needs its input again, never its output.
        return torch.relu_(self.norm2(self.conv2(y)).add_(self._past(x)))

    def _past(self, x: Tensor) -> Tensor:
        if self.missing and not self.projection:
            return pad_channels(every_other(x), self.missing, len(self.conv1.weight))
        for layer in self.projection:
            x = layer(x)
        return x

"""Plain convolutional networks of 2, 4, 6, 8 or 10 convolutions.

C classes, L lanes, w channels of the first stage. Every convolution is 3x3 with BN and ReLU; every
stage ends in 2x2 max pooling, as long as there are two pixels to pool.

depth   convolutions of the stages, their channels         hidden layer
2       w | w
4       w w | 2w 2w
6       w w | 2w 2w | 4w 4w
8       w w | 2w 2w | 4w 4w | 8w 8w                         64
10      w w | 2w 2w | 4w 4w | 8w 8w 8w 8w                   128

The pixels that are left are read by the hidden layer, if there is one (with ReLU), then by the last
layer. w is 16, for depth 10 it is 32.

Source: Mirzadeh et al. 2019, "Improved knowledge distillation via teacher assistant", arXiv
1902.03393, with the widths of its authors' code for CIFAR-10; for CIFAR-100 that has w = 32
throughout, here ``width: 32``. Departures: convolutions have no bias, which BN would take away; the
first weights of the convolutions are He's; for CIFAR-100 its depth 6 leaves the last pooling out
and its depth 10 has a hidden layer of 512.
"""

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainers.classification.networks.classifier import ImageClassifier
from trainers.classification.networks.table import image_shape
from trainers.lanes.layers import BatchNorm2d, Conv2d, Linear, flatten, halve_by_maximum
from trainers.settings import ModelSpec

# By depth: how many convolutions each stage has, and how wide the hidden layer is, if any.
STAGES: Mapping[int, tuple[int, ...]] = {
    2: (1, 1),
    4: (2, 2),
    6: (2, 2, 2),
    8: (2, 2, 2, 2),
    10: (2, 2, 2, 4),
}
HIDDEN: Mapping[int, int] = {8: 64, 10: 128}


class PlainCnn(ImageClassifier):
    """CNN-``spec.depth``, ``spec.width`` channels in its first stage."""

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        channels, height, width = image_shape(spec.name, shape)
        self.widest = max(channels, spec.sizes["width"]) * height * width
        self.stages = nn.ModuleList()
        inputs = channels
        for stage, convolutions in enumerate(STAGES[spec.sizes["depth"]]):
            outputs = spec.sizes["width"] * (1 if spec.sizes["depth"] == 2 else 2**stage)
            self.stages.append(_Stage(inputs, outputs, convolutions, generators))
            inputs = outputs
            if min(height, width) > 1:
                height, width = height // 2, width // 2
        sizes = [inputs * height * width, *filter(None, [HIDDEN.get(spec.sizes["depth"])])]
        self.hidden = nn.ModuleList(Linear(a, b, generators) for a, b in itertools.pairwise(sizes))
        self.head = Linear(sizes[-1], classes, generators)

    def vectors(self, x: Tensor, lanes: int) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        h = flatten(x, lanes)
        for layer in self.hidden:
            h = torch.relu(layer(h))
        return h


class _Stage(nn.Module):
    """Convolutions with BN and ReLU, then pooling."""

    def __init__(
        self, inputs: int, outputs: int, convolutions: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        widths = [inputs, *[outputs] * convolutions]
        self.convs = nn.ModuleList(
            Conv2d(a, b, 3, generators) for a, b in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(
            BatchNorm2d(outputs, len(generators)) for _ in range(convolutions)
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = torch.relu_(norm(conv(x)))
        return halve_by_maximum(x) if min(x.shape[2:]) > 1 else x

"""A detector without anchors: convolutions, a pyramid where pictures are large, a linear map of
each place.

L lanes, B pictures, K channels, D features of a place, C classes.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.detection.data.dataset import strides
from trainers.detection.networks.layers import layers
from trainers.detection.networks.network import PictureFacts, PictureNetwork
from trainers.detection.terms import PRIOR
from trainers.lanes.layers import Conv2d, Linear, fold
from trainers.lanes.network import Output
from trainers.settings import ModelSpec

FIRST_STRIDE = 2


class Detector(PictureNetwork):
    """Convolutions that halve a picture until it has a pixel for a place; on several levels the
    coarser ones are added to the finer (Lin et al. 2017, arXiv 1612.03144); the same convolutions
    and the same linear map on every level (Tian et al. 2019, arXiv 1904.01355)."""

    def __init__(
        self, spec: ModelSpec, facts: PictureFacts, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        width, count = spec.sizes["width"], spec.sizes["layers"]
        self._strides = strides(facts.height, facts.width)
        deep = 2 * width
        self.widest = width * facts.height * facts.width // FIRST_STRIDE**2
        self.stem = layers(facts.channels, width, 1, generators, FIRST_STRIDE)
        halvings = round(math.log2(self._strides[-1] / FIRST_STRIDE))
        self.stages = nn.ModuleList(
            layers(deep if i else width, deep, count, generators, 2) for i in range(halvings)
        )
        several = len(self._strides) > 1
        self.laterals = nn.ModuleList(
            Conv2d(deep, deep, 1, generators) for _ in self._strides if several
        )
        self.tower = layers(deep, deep, spec.sizes["tower"], generators)
        self.head = Linear(deep, facts.classes + 4, generators, zero_bias=True)
        with torch.no_grad():
            self.head.bias[:, : facts.classes] = math.log(PRIOR / (1 - PRIOR))
        self.aligned: Linear | None = None

    def look_beside(self, width: int, generators: Sequence[torch.Generator]) -> None:
        self.aligned = Linear(self.head.weight.shape[2], width, generators)
        self.aligned.to(self.head.weight.device)

    def forward(self, x: Tensor) -> Output:
        lanes = len(x)
        finest = len(self.stages) - len(self._strides)
        y, levels = self.stem(fold(x)), []
        for place, stage in enumerate(self.stages):
            y = stage(y)
            if place >= finest:
                levels.append(y)
        if self.laterals:
            levels = self._pyramid(levels)
        h = torch.cat([_by_place(self.tower(level), lanes) for level in levels], dim=2)
        # A product with places last, as everywhere.
        flat = h.flatten(1, 2).mT
        shown = [self.head(flat)]
        if self.aligned is not None:
            shown.append(self.aligned(flat))
        logits = shown[0] if len(shown) == 1 else torch.cat(shown, dim=1)
        return Output(h, logits.mT.reshape(*h.shape[:3], -1))

    def alone(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {name: t for name, t in weights.items() if not name.startswith("aligned.")}

    def _pyramid(self, levels: list[Tensor]) -> list[Tensor]:
        """Every level with what the coarser ones say."""
        told = [lateral(level) for lateral, level in zip(self.laterals, levels, strict=True)]
        for place in reversed(range(len(told) - 1)):
            finer, coarser = told[place], told[place + 1]
            height, width = finer.shape[2:]
            wide = F.interpolate(coarser, scale_factor=2.0, mode="nearest")
            told[place] = finer + wide[:, :, :height, :width]
        return told


def _by_place(x: Tensor, lanes: int) -> Tensor:
    """Images (B, L * D, H, W) as places (L, B, H * W, D)."""
    examples = x.shape[0]
    return x.view(examples, lanes, -1, x.shape[2] * x.shape[3]).permute(1, 0, 3, 2)

"""Networks and data sets as users write them: sound ones, and some that go wrong."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from trainers.classification.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.entries import DatasetEntry, NetworkEntry
from trainers.fields import Field
from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.settings import ModelSpec

WIDTH = Field("width", "int", 6, "units of the hidden layer", "own", unit="units", low=1)


class Narrow(LaneNetwork):
    """One hidden layer with a smooth bend."""

    entry = NetworkEntry(
        summary="one hidden layer", source="own", together=("cpu", "cuda"), fields=(WIDTH,)
    )

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        inputs, width = math.prod(shape), spec.sizes["width"]
        self.widest = max(inputs, width, classes)
        self.body = Linear(inputs, width, generators)
        self.head = Linear(width, classes, generators)

    def features(self, x: Tensor) -> Tensor:
        return torch.tanh(self.body(x.flatten(2).mT))

    def forward(self, x: Tensor) -> Output:
        h = self.features(x)
        return Output(h.mT, self.head(h).mT)


class Centred(Narrow):
    """Leaks: its features are centred over lanes."""

    def features(self, x: Tensor) -> Tensor:
        h = super().features(x)
        return h - h.mean(0)


class Turned(Narrow):
    """Its logits have classes before examples."""

    def forward(self, x: Tensor) -> Output:
        output = super().forward(x)
        return Output(output.features, output.logits.mT)


class Bare(Narrow):
    """Gives logits alone."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x).logits


class Undeclared(LaneNetwork):
    """Without an entry."""


def stripes(classes: int, examples: int = 300) -> Dataset:
    """Classes that follow each other along a line."""
    x = np.random.default_rng(0).uniform(0, classes, (examples, 2)).astype(np.float32)
    return Dataset(x, np.floor(x[:, 0]).astype(np.int64), classes)


CLASSES = Field("classes", "int", 3, "how many", "own", low=2)
STRIPES = DatasetEntry(
    load=stripes, summary="stripes", source="own", task="classification", fields=(CLASSES,)
)
NO_DATASET = DatasetEntry(load=lambda: np.zeros(3), summary="", source="own", task="classification")
OF_ANOTHER_TASK = DatasetEntry(load=stripes, summary="", source="own", task="sorting")


def _raise() -> Dataset:
    raise RuntimeError("no disk")


def _miss() -> Dataset:
    raise DataError("there is no file here; fetch it")


RAISING = DatasetEntry(load=_raise, summary="", source="own", task="classification")
MISSING = DatasetEntry(load=_miss, summary="", source="own", task="classification")

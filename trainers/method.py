"""What the training loop asks of a method, and what a method is given.

L lanes, B examples of a batch, N of the training split, C classes, M teachers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainers.classification.data.lanes import Batch, LaneData
from trainers.classification.networks.classifier import LaneClassifier
from trainers.hyperparameters import Hyperparameter, Value
from trainers.lanes.state import State


@dataclass(frozen=True)
class LaneValues:
    """The hyperparameters of every lane: numbers as tensors (L,), words as lists."""

    numbers: Mapping[str, Tensor]
    words: Mapping[str, tuple[Value, ...]]

    def keep(self, lanes: Tensor) -> "LaneValues":
        """The same for ``lanes`` (indices) alone."""
        chosen = lanes.tolist()
        return LaneValues(
            {name: t[lanes] for name, t in self.numbers.items()},
            {name: tuple(w[i] for i in chosen) for name, w in self.words.items()},
        )


def stack_values(
    hyperparameters: Sequence[Hyperparameter],
    lanes: Sequence[Mapping[str, Value]],
    device: torch.device,
) -> LaneValues:
    """Each lane's values, the default where a lane names none."""
    numbers, words = {}, {}
    for h in hyperparameters:
        values = tuple(lane.get(h.name, h.default) for lane in lanes)
        if h.kind == "choice" or h.words:
            words[h.name] = values
        else:
            numbers[h.name] = torch.tensor([float(v) for v in values], device=device)
    return LaneValues(numbers, words)


@dataclass(frozen=True)
class Setup:
    """What a method is built from: the cohort's data, hyperparameters, one seed per lane."""

    data: LaneData
    values: LaneValues
    seeds: tuple[int, ...]
    batch_size: int


class Method(ABC):
    """A way to turn labels and teachers into one loss per example, over lanes."""

    def __init__(self, setup: Setup) -> None:
        self.data = setup.data
        self.values = setup.values
        self.batch_size = setup.batch_size

    @abstractmethod
    def losses(self, batch: Batch, z: Tensor) -> Tensor:
        """Per-example losses (L, B) at student logits ``z`` (L, B, C); never reduced."""

    def begin_epoch(self, epoch: int, student: LaneClassifier, lr: Tensor) -> None:
        """Called before epoch 1, 2, ... with the learning rates (L,) of that epoch."""

    def begin_step(self, batch: Batch, student: LaneClassifier, lr: Tensor) -> None:
        """Called before each step, with its batch, the student as it is and the rates (L,)."""

    def metrics(self) -> Mapping[str, Tensor]:
        """Diagnostics of the epoch that ended, each (L,); NaN where a lane has none."""
        return {}

    def tables(self) -> Mapping[str, Tensor]:
        """Per-example tables (L, N, ...) worth keeping at the end of training."""
        return {}

    def state(self) -> dict[str, Any]:
        """What later epochs need of what earlier ones made, as `trainers.lanes.state` has it."""
        return {}

    def load_state(self, state: State) -> None:
        """Put back what `state` gave, for the lanes that are left."""

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices); ``data`` is cut by its owner."""
        self.values = self.values.keep(lanes)

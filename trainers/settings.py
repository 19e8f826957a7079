"""What a cohort is told: plain values, free of torch, so that a sweep can be planned without it.

M teachers of a lane.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainers.data.splits import SplitFractions
from trainers.hyperparameters import Value

# What a data set can be told.
Option = float | int | str
# Which classes are taken for which: pairs (from, to).
ClassMap = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ModelSpec:
    """A network by name and the sizes that it takes, e.g. ``ModelSpec("mlp", (256, 256))``.

    Which network takes which, and what the others are then, says
    `trainers.classification.networks.table`; what is not given is empty or zero. ``hidden``: widths
    of an MLP's layers; ``depth``, ``width``, ``growth``: the numbers in a network's name, as in
    WRN-16-2; ``shortcut``: what leads past a residual block; ``path``, ``arguments``, ``head``: a
    torch module of the user's, what its class is called with, and the name of its last layer.
    """

    name: str
    hidden: tuple[int, ...] = ()
    depth: int = 0
    width: int = 0
    growth: int = 0
    shortcut: str = ""
    path: str = ""
    head: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """The settings that all lanes of a cohort share. Epochs and batch size are counts.

    ``schedule``: the learning rate falls along half a cosine, stays, or (``steps``) is multiplied
    by ``factor`` after each of the epochs ``milestones``.
    """

    epochs: int
    batch_size: int
    momentum: float
    nesterov: bool
    schedule: Literal["cosine", "constant", "steps"]
    milestones: tuple[int, ...] = ()
    factor: float = 0.1

    def lr_factor(self, epoch: int) -> float:
        """What the first learning rate is multiplied by in ``epoch`` (from 1)."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "steps":
            return self.factor ** sum(epoch > milestone for milestone in self.milestones)
        return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / self.epochs))


@dataclass(frozen=True)
class Selection:
    """Which epoch counts: the first with the best value of a validation metric."""

    metric: str
    maximize: bool

    def sign(self) -> float:
        return 1.0 if self.maximize else -1.0


@dataclass(frozen=True)
class Labels:
    """How the labels of a training split came to be; the rate is a share in [0, 1]."""

    noise_kind: str
    noise_rate: float


@dataclass(frozen=True)
class LaneSource:
    """What one lane trains on: the seed of its split and noise, and its teachers' logits.

    ``teachers``: M names into the cohort's mapping of teacher logits, (N, C) each; may be empty.
    ``train_on_meta``: the meta split, with its true labels, is part of the training split; lanes of
    one cohort agree on it.
    """

    seed: int
    labels: Labels
    teachers: tuple[str, ...] = ()
    train_on_meta: bool = False


@dataclass(frozen=True)
class Lane:
    """One trial as the training loop sees it; the seed is that of first weights and batches."""

    name: str
    seed: int
    hyperparameters: Mapping[str, Value]


@dataclass(frozen=True)
class CohortSpec:
    """A method, a network and the settings its lanes share."""

    method: str
    model: ModelSpec
    training: Training
    selection: Selection


@dataclass(frozen=True)
class Treatment:
    """What is done to examples on their way to a student.

    ``augment``: how inputs of training batches are changed. ``noisy_splits``: where label noise
    falls. ``class_map``: for asymmetric noise. ``noise_file``: the labels of noise from a file.
    """

    augment: Literal["none", "crop_flip"] = "none"
    noisy_splits: tuple[str, ...] = ("train",)
    class_map: ClassMap = ()
    noise_file: str = ""


@dataclass(frozen=True)
class DataSpec:
    """A data set by name with its options as given, the share of each split, the treatment."""

    dataset: str
    fractions: SplitFractions
    options: Mapping[str, Option] = field(default_factory=dict)
    treatment: Treatment = Treatment()

"""What the training loop asks of a method, and what a method is given, whatever the task.

L lanes, B examples of a batch, N of the training split, M teachers.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.state import State
from trainers.lanes.values import LaneValues
from trainers.settings import Training
from trainers.task import Batch, TaskData, Teachers, Terms


@dataclass(frozen=True)
class Setup:
    """What a method is built from: the cohort's data, hyperparameters, settings, a seed per lane.

    ``student``: as it starts; what is made of it (`Method.evaluated`) has to be a copy. ``ask``:
    the teachers themselves, where there are any and the method's row says ``changes_inputs``, or
    the task's that ``teachers_go_along``.
    """

    data: TaskData
    values: LaneValues
    seeds: tuple[int, ...]
    training: Training
    student: LaneNetwork
    ask: Teachers | None = None

    @property
    def batch_size(self) -> int:
        """Examples of a batch; the last one of an epoch may have fewer."""
        return self.training.batch_size


class Step(NamedTuple):
    """One batch in training: what the student was shown, its output, and what it lost."""

    batch: Batch
    output: Output
    terms: Terms


class Method(ABC):
    """A way to turn labels and teachers into one loss per example, over lanes."""

    def __init__(self, setup: Setup) -> None:
        self.data = setup.data
        self.values = setup.values
        self.training = setup.training
        self.batch_size = setup.batch_size

    @abstractmethod
    def losses(self, step: Step) -> Tensor:
        """Per-example losses (L, B) with the graph that leads to the student; never reduced."""

    def lr_factors(self, epoch: int) -> Tensor:
        """What every lane's learning rate is multiplied by in epoch 1, 2, ..., warm-up aside.

        ``(L,)`` in float64 on the CPU; asked before `begin_epoch`. By default what the schedule
        says.
        """
        factor = self.training.lr_factor(epoch)
        return torch.full((self.data.lanes,), factor, dtype=torch.float64)

    def choose(self, index: Tensor) -> Tensor:
        """Which training examples a step takes in place of those at places ``index`` (L, B)."""
        return index

    def show(self, batch: Batch) -> Batch:
        """What the student is shown in place of a training batch: mixed, cropped, written anew.

        ``changed`` has to be set where teachers are to be asked about what is shown.
        """
        return batch

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        """Called before epoch 1, 2, ... with the size (L,) of a plain gradient step in that
        epoch."""

    def begin_step(self, batch: Batch, student: LaneNetwork, lr: Tensor) -> None:
        """Called before each step, with its batch, the student as it is and that size (L,)."""

    def end_step(self, student: LaneNetwork) -> None:
        """Called after each step, with the student as it has become."""

    def evaluated(self, student: LaneNetwork) -> LaneNetwork:
        """What is evaluated and kept in place of the student, of its making: an average, say."""
        return student

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

"""Training what a task says: the one bridge from a sweep's tasks to the trainers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.tasks import CohortTask, LaneOutcome
from trainers.checkpoint import UnusableCheckpoint, from_bytes, to_bytes
from trainers.cohort import Cohort, LaneResult, Report
from trainers.data.datasets import Dataset
from trainers.data.lanes import LaneData
from trainers.memory import keep_freed_memory
from trainers.teachers import Teacher, graduate

Logits = Mapping[str, NDArray[np.float32]]
# Takes the names of the lanes that are left, the epoch that ended, and the state then.
Save = Callable[[Sequence[str], int, bytes], None]


@dataclass(frozen=True)
class Checkpoints:
    """The state to begin with, empty for none, and where to save it, every so many seconds."""

    begin_with: bytes
    save: Save
    every_s: float


def train(
    task: CohortTask,
    dataset: Dataset,
    teacher_logits: Logits,
    report: Report,
    checkpoints: Checkpoints | None = None,
) -> tuple[dict[str, LaneOutcome], dict[str, Teacher]]:
    """Train a cohort; what its lanes leave, and for the teachers' stage the teachers, by key.

    Lanes that ``report`` stopped leave no outcome. The test split is read in confirm alone, once.
    """
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sources = [lane.source for lane in task.lanes]
    data = LaneData(
        dataset, task.data.fractions, sources, teacher_logits, device, task.data.treatment
    )
    cohort = Cohort(task.spec, [lane.lane for lane in task.lanes], data)
    if checkpoints and checkpoints.begin_with:
        _go_on(cohort, checkpoints.begin_with, report)
    results = cohort.train(report, _saver(cohort, checkpoints) if checkpoints else None)
    teachers = {}
    if task.stage == "confirm":
        cohort.test()
    if task.stage == "teacher":
        teachers = {key.rsplit("/", 1)[1]: t for key, t in graduate(cohort).items()}
    return {name: _outcome(results[name]) for name in cohort.names}, teachers


def _go_on(cohort: Cohort, state: bytes, report: Report) -> None:
    """Take up a checkpoint, if it can be read; if not, training starts with epoch 1."""
    try:
        content = from_bytes(state)
    except UnusableCheckpoint:
        return
    cohort.go_on(content, report)


def _saver(cohort: Cohort, checkpoints: Checkpoints) -> Callable[[], None]:
    """To be called between epochs: saves when it is time to."""
    saved = time.monotonic()

    def between() -> None:
        nonlocal saved
        if time.monotonic() - saved >= checkpoints.every_s:
            checkpoints.save(cohort.names, cohort.epoch, to_bytes(cohort.state()))
            saved = time.monotonic()

    return between


def _outcome(result: LaneResult) -> LaneOutcome:
    return LaneOutcome(result.epochs, result.best_epoch, result.best, result.test)

"""Training what a task says: the one bridge from a sweep's tasks to the trainers."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.plan.tasks import CohortTask, LaneOutcome
from trainers.classification.data.datasets import Dataset
from trainers.classification.data.lanes import LaneData
from trainers.loop.checkpoint import UnusableCheckpoint, from_bytes, to_bytes
from trainers.loop.cohort import Cohort, LaneResult, Report
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.loop.memory import keep_freed_memory
from trainers.loop.stopwatch import Stopwatch
from trainers.loop.teachers import Teacher, train_teachers

Logits = Mapping[str, NDArray[np.float32]]
# Takes the names of the lanes that are left, the epoch that ended, and the state then.
Save = Callable[[Sequence[str], int, bytes], None]


@dataclass(frozen=True)
class Checkpoints:
    """The state to begin with, empty for none, and where to save it, every so many seconds."""

    begin_with: bytes
    save: Save
    every_s: float


def train(  # noqa: PLR0913, PLR0917 - what a task is trained with, each apart
    task: CohortTask,
    dataset: Dataset,
    teacher_logits: Logits,
    report: Report,
    teacher_weights: Mapping[str, Weights] | None = None,
    checkpoints: Checkpoints | None = None,
    stopwatch: Stopwatch | None = None,
) -> tuple[dict[str, LaneOutcome], dict[str, Teacher]]:
    """Train a cohort; what its lanes leave, and for the teachers' stage the teachers, by name.

    ``teacher_weights``: by teacher's name, needed where inputs are augmented. Lanes that ``report``
    stopped leave no outcome. The test split is read in confirm alone, once.
    """
    keep_freed_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sources = [lane.source for lane in task.lanes]
    data = LaneData(
        dataset, task.data.fractions, sources, teacher_logits, device, task.data.treatment
    )
    live = _live(task, data, teacher_weights or {})
    cohort = Cohort(task.spec, [lane.lane for lane in task.lanes], data, live, stopwatch)
    # Snapshots are taken on the way, so that a training with them cannot begin in its middle.
    between = None
    if checkpoints and not task.snapshots:
        _go_on(cohort, checkpoints.begin_with, report)
        between = _saver(cohort, checkpoints)
    teachers: dict[str, Teacher] = {}
    if task.stage == "teacher":
        results, trained = train_teachers(cohort, report, task.snapshots, between)
        teachers = {key.rsplit("/", 1)[1]: teacher for key, teacher in trained.items()}
    else:
        results = cohort.train(report, between)
    outcomes = {name: _outcome(results[name]) for name in cohort.names}
    if task.stage == "confirm":
        cohort.test()
        outcomes = {
            name: replace(_outcome(results[name]), examples=_examples(data, lane, results[name]))
            for lane, name in enumerate(cohort.names)
        }
    return outcomes, teachers


def _live(task: CohortTask, data: LaneData, weights: Mapping[str, Weights]) -> LiveTeachers | None:
    """The teachers themselves, where their logits cannot be kept."""
    if not (data.augments and data.teachers):
        return None
    of_lanes = [[weights[name] for name in lane.source.teachers] for lane in task.lanes]
    shape = tuple(data.inputs.shape[1:])
    return LiveTeachers(task.teacher_networks, of_lanes, shape, data.classes, data.inputs.device)


def _go_on(cohort: Cohort, state: bytes, report: Report) -> None:
    """Take up a checkpoint, if there is one that can be read; if not, training begins anew."""
    if not state:
        return
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
        if time.monotonic() - saved < checkpoints.every_s:
            return
        cohort.settle()
        if cohort.names:
            checkpoints.save(cohort.names, cohort.epoch, to_bytes(cohort.state()))
        saved = time.monotonic()

    return between


def _outcome(result: LaneResult) -> LaneOutcome:
    return LaneOutcome(result.epochs, result.best_epoch, result.best, result.test)


def _examples(data: LaneData, lane: int, result: LaneResult) -> dict[str, Any]:
    """What is known of a lane's training examples, one array a column."""
    labels = data.training_labels(lane)
    tables = {name: table.cpu().numpy() for name, table in result.tables.items()}
    return {"row": labels.rows, "label": labels.given, "true_label": labels.true, **tables}

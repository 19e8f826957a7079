"""Training what a task says: the one bridge from a sweep's tasks to the trainers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.tasks import CohortTask, LaneOutcome
from trainers.cohort import Cohort, LaneResult, Report
from trainers.data.datasets import Dataset
from trainers.data.lanes import LaneData
from trainers.live_teachers import LiveTeachers, Weights
from trainers.memory import keep_freed_memory
from trainers.teachers import Teacher, train_teachers

Logits = Mapping[str, NDArray[np.float32]]


def train(
    task: CohortTask,
    dataset: Dataset,
    teacher_logits: Logits,
    report: Report,
    teacher_weights: Mapping[str, Weights] | None = None,
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
    cohort = Cohort(task.spec, [lane.lane for lane in task.lanes], data, live)
    teachers: dict[str, Teacher] = {}
    if task.stage == "teacher":
        results, trained = train_teachers(cohort, report, task.snapshots)
        teachers = {key.rsplit("/", 1)[1]: teacher for key, teacher in trained.items()}
    else:
        results = cohort.train(report)
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


def _outcome(result: LaneResult) -> LaneOutcome:
    return LaneOutcome(result.epochs, result.best_epoch, result.best, result.test)


def _examples(data: LaneData, lane: int, result: LaneResult) -> dict[str, Any]:
    """What is known of a lane's training examples, one array a column."""
    labels = data.training_labels(lane)
    tables = {name: table.cpu().numpy() for name, table in result.tables.items()}
    return {"row": labels.rows, "label": labels.given, "true_label": labels.true, **tables}

"""Training what a task says: the one bridge from a sweep's tasks to the trainers."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from sweep.tasks import CohortTask, LaneOutcome
from trainers.cohort import Cohort, LaneResult, Report
from trainers.data.datasets import Dataset
from trainers.data.lanes import LaneData
from trainers.memory import keep_freed_memory
from trainers.stopwatch import Stopwatch
from trainers.teachers import Teacher, graduate

Logits = Mapping[str, NDArray[np.float32]]


def train(
    task: CohortTask,
    dataset: Dataset,
    teacher_logits: Logits,
    report: Report,
    stopwatch: Stopwatch | None = None,
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
    cohort = Cohort(task.spec, [lane.lane for lane in task.lanes], data, stopwatch)
    results = cohort.train(report)
    teachers = {}
    if task.stage == "confirm":
        cohort.test()
    if task.stage == "teacher":
        teachers = {key.rsplit("/", 1)[1]: t for key, t in graduate(cohort).items()}
    return {name: _outcome(results[name]) for name in cohort.names}, teachers


def _outcome(result: LaneResult) -> LaneOutcome:
    return LaneOutcome(result.epochs, result.best_epoch, result.best, result.test)

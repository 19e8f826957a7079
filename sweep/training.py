"""Training what a task says: the one bridge from a sweep's tasks to the trainers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from sweep.plan.tasks import CohortTask, LaneOutcome, TrainedStudent
from trainers.data.dataset import Dataset
from trainers.loop.checkpoint import UnusableCheckpoint, from_bytes, to_bytes
from trainers.loop.cohort import Cohort, LaneResult, Report
from trainers.loop.live_teachers import LiveTeachers, Weights
from trainers.loop.memory import keep_freed_memory
from trainers.loop.stack import Stack
from trainers.loop.stopwatch import Stopwatch
from trainers.loop.teachers import Teacher, take_as_it_is, train_starts, train_teachers
from trainers.registry import TASKS
from trainers.settings import NO_NETWORK
from trainers.student_files import plain_weights
from trainers.task import GivenTeacher, KeptOutputs, TaskData

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
    teacher_outputs: Mapping[str, KeptOutputs],
    report: Report,
    teacher_weights: Mapping[str, Weights] | None = None,
    checkpoints: Checkpoints | None = None,
    stopwatch: Stopwatch | None = None,
) -> tuple[dict[str, LaneOutcome], dict[str, Teacher]]:
    """Train a cohort; what its lanes leave, and for the teachers' stage the teachers, by name.

    ``teacher_weights``: by name, of teachers, needed where inputs are changed, and of warm starts.
    Lanes that ``report`` stopped leave no outcome. The test split is read in confirm alone, once.
    """
    cohort = cohort_of(task, dataset, teacher_outputs, teacher_weights, stopwatch)
    # Snapshots are taken on the way, so that a training with them cannot begin in its middle.
    between = None
    if checkpoints and not task.snapshots:
        _go_on(cohort, checkpoints.begin_with, report)
        between = _saver(cohort, checkpoints)
    teachers: dict[str, Teacher] = {}
    if task.stage == "teacher":
        if task.is_of_starts:
            results, trained = train_starts(cohort, report, between)
        else:
            results, trained = train_teachers(cohort, report, task.snapshots, between)
        teachers = {_teacher(key): teacher for key, teacher in trained.items()}
    else:
        results = cohort.train(report, between)
    if task.stage == "confirm":
        cohort.test()
    outcomes = {
        name: _outcome(results[name], stack.examples, stack.steps_per_epoch)
        if results[name].epochs
        else _outcome(results[name], 0, 0)
        for stack in cohort.stacks
        for name in stack.names
    }
    if task.stage == "confirm":
        facts = TASKS[task.spec.task].load().facts(dataset)
        for stack in cohort.stacks:
            for name, whole in _with_all_that_is_kept(stack, results, outcomes, facts):
                outcomes[name] = whole
    return outcomes, teachers


def cohort_of(
    task: CohortTask,
    dataset: Dataset,
    teacher_outputs: Mapping[str, KeptOutputs],
    teacher_weights: Mapping[str, Weights] | None = None,
    stopwatch: Stopwatch | None = None,
) -> Cohort:
    """A cohort that is ready to train; the arguments are those of `train`."""
    keep_freed_memory()
    sources = [lane.source for lane in task.lanes]
    outputs = {name: teacher_outputs[name] for name in task.teachers}
    kind = TASKS[task.spec.task].load()
    data = (
        kind.light_data(task.source, dataset, sources, _device())
        if task.source
        else kind.data(dataset, task.data, sources, outputs, _device())
    )
    weights = teacher_weights or {}
    live, lanes = _live(task, data, weights), [lane.lane for lane in task.lanes]
    return Cohort(task.spec, lanes, data, live, stopwatch, _starts(task, weights))


def take_given(
    task: CohortTask, dataset: Dataset, given: GivenTeacher
) -> tuple[dict[str, LaneOutcome], dict[str, Teacher]]:
    """A teacher that is given in place of training: what its only lane leaves, and the teacher, by
    name."""
    (lane,) = task.lanes
    data = TASKS[task.spec.task].load().data(dataset, task.data, [lane.source], {}, _device())
    result, teacher = take_as_it_is(given, task.spec, data)
    return {lane.key: _outcome(result, 0, 0)}, {_teacher(lane.key): teacher}


def _with_all_that_is_kept(
    stack: Stack,
    results: Mapping[str, LaneResult],
    outcomes: Mapping[str, LaneOutcome],
    facts: Mapping[str, Any],
) -> Iterator[tuple[str, LaneOutcome]]:
    """The outcomes of a stack that was tested, with examples, predictions and students."""
    predictions, further = stack.predictions("test"), stack.further_tables("test")
    for lane, name in enumerate(stack.names):
        tables = {k: t.cpu().numpy() for k, t in results[name].tables.items()}
        yield (
            name,
            replace(
                outcomes[name],
                examples={**stack.data.examples(lane), **tables},
                predictions=predictions[lane],
                tables=further[lane],
                student=TrainedStudent(
                    plain_weights(stack.student_weights(lane), stack.model.inside), facts
                ),
            ),
        )


def _live(task: CohortTask, data: TaskData, weights: Mapping[str, Weights]) -> LiveTeachers | None:
    """The teachers themselves, where their outputs cannot be kept."""
    if not (task.asks_teachers and data.asked_anew):
        return None
    at = [m for m, network in enumerate(task.teacher_networks) if network != NO_NETWORK]
    of_lanes = [[weights[lane.source.teachers[m]] for m in at] for lane in task.lanes]
    entry = TASKS[task.spec.task]
    networks = [task.teacher_networks[m] for m in at]
    return LiveTeachers(networks, of_lanes, data, entry.load(), entry)


def _starts(task: CohortTask, weights: Mapping[str, Weights]) -> dict[str, Weights] | None:
    """What lanes start from, by their names; None where that is drawn."""
    if not task.starts:
        return None
    return {lane.key: weights[lane.source.start] for lane in task.lanes}


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


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _teacher(key: str) -> str:
    """The name of a teacher by the key of its run."""
    return key.rsplit("/", 1)[1]


def _outcome(result: LaneResult, examples: int, steps: int) -> LaneOutcome:
    return LaneOutcome(
        result.epochs, result.best_epoch, result.best, result.test, trained_on=examples, steps=steps
    )

"""Teachers: networks trained on the labels they saw, or given, and what is kept of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from trainers.entries import TaskEntry
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import torch_generator
from trainers.lanes.weights import lane_weights, put_weights
from trainers.loop.cohort import Answer, Cohort, LaneResult, Metrics, Report
from trainers.registry import TASKS
from trainers.settings import CohortSpec
from trainers.task import GivenTeacher, KeptOutputs, Task, TaskData


@dataclass(frozen=True)
class Teacher:
    """A trained teacher: what its task keeps of it; parameters and buffers."""

    outputs: KeptOutputs
    parameters: dict[str, Tensor]


def train_teachers(
    cohort: Cohort,
    report: Report,
    snapshots: Sequence[int] = (),
    between: Callable[[], None] | None = None,
) -> tuple[dict[str, LaneResult], dict[str, Teacher]]:
    """Train a cohort of teachers: the results of its lanes, and the teachers by lane name.

    A lane leaves what it was at the epoch that counts; with ``snapshots``, what it was after each
    of these epochs, named ``lane@epoch``. A lane that was stopped leaves none. ``between``: as in
    `Cohort.train`. Networks without a parameter that learns are taken as they are.
    """
    if not cohort.learns:
        return _untrained(cohort, snapshots)
    taken: dict[str, dict[str, Teacher]] = {}

    def watch(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Answer:
        if epoch in snapshots:
            for name, teacher in _as_they_are(cohort).items():
                taken.setdefault(name, {})[f"{name}@{epoch}"] = teacher
        return report(epoch, names, rows)

    results = cohort.train(watch, between)
    if snapshots:
        left = [taken[name] for name in cohort.names]
        return results, {name: t for of_lane in left for name, t in of_lane.items()}
    cohort.load_best()
    return results, _as_they_are(cohort)


def train_starts(
    cohort: Cohort, report: Report, between: Callable[[], None] | None = None
) -> tuple[dict[str, LaneResult], dict[str, Teacher]]:
    """Train a cohort of warm starts: the results of its lanes, and what they are after the last
    epoch, by lane name; of each the weights alone, as nobody hears it. ``between``: as in
    `Cohort.train`."""
    results = cohort.train(report, between)
    return results, {
        name: Teacher({}, stack.weights(lane))
        for stack in cohort.stacks
        for lane, name in enumerate(stack.names)
    }


def take_as_it_is(
    given: GivenTeacher, spec: CohortSpec, data: TaskData
) -> tuple[LaneResult, Teacher]:
    """A teacher that is not trained, on the examples of a single lane: what it reaches on the
    validation split, and what is kept of it. ``spec.model``: the network of its weights.

    ValueError where it gives no finite numbers.
    """
    entry = TASKS[spec.task]
    metrics = _metrics(entry, spec)
    if given.outputs is not None:
        found = data.evaluate_outputs(given.outputs, "validation", metrics)
        return _result(found, 0), Teacher(given.outputs, {})
    task, model = entry.load(), entry.networks[spec.model.name].complete(spec.model)
    network = task.network(model, data, [torch_generator(0, "student")]).to(data.device)
    put_weights(network, given.weights or {})
    (taken,) = _standing(network, data, task, metrics)
    return taken


def _untrained(
    cohort: Cohort, snapshots: Sequence[int]
) -> tuple[dict[str, LaneResult], dict[str, Teacher]]:
    """Networks that nothing can be learned in, by lane name."""
    if snapshots:
        raise ValueError("a network without a parameter that learns has no snapshots; drop them")
    entry = TASKS[cohort.spec.task]
    task, metrics = entry.load(), _metrics(entry, cohort.spec)
    taken = {
        name: one
        for stack in cohort.stacks
        for name, one in zip(
            stack.names, _standing(stack.model, stack.data, task, metrics), strict=True
        )
    }
    return (
        {name: result for name, (result, _) in taken.items()},
        {name: teacher for name, (_, teacher) in taken.items()},
    )


def _metrics(entry: TaskEntry, spec: CohortSpec) -> list[str]:
    return list(dict.fromkeys([*entry.every_epoch, spec.selection.metric]))


def _standing(
    network: LaneNetwork, data: TaskData, task: Task, metrics: Sequence[str]
) -> list[tuple[LaneResult, Teacher]]:
    """Every lane of a network as it stands."""
    found = data.evaluate(network, "validation", metrics)
    kept = task.kept_outputs(network, data)
    if not all(np.isfinite(array).all() for outputs in kept for array in outputs.values()):
        raise ValueError("the teacher gives NaN or infinity for some of the examples")
    return [
        (_result(found, lane), Teacher(outputs, lane_weights(network, lane)))
        for lane, outputs in enumerate(kept)
    ]


def _result(found: Mapping[str, Tensor], lane: int) -> LaneResult:
    """What is known of a lane that trained for no epoch."""
    return LaneResult(best={f"validation_{name}": float(v[lane]) for name, v in found.items()})


def _as_they_are(cohort: Cohort) -> dict[str, Teacher]:
    """Every lane's network as it stands, by lane name."""
    return {name: Teacher(*teacher) for name, teacher in cohort.teachers().items()}

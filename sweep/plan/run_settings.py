"""What a run is in beside its hyperparameters, as parameters: MLflow's charts have no other axes.

Where it stands on the axes of the conditions, its stage and seed, its clean labels and calls of
teachers, its data and networks.
"""

from collections.abc import Iterable

from sweep.plan.clean_labels import CLEAN_LABELS, clean_labels
from sweep.plan.plan import Cell, Condition, Plan
from sweep.plan.tasks import CohortTask, LaneTask, teacher_run
from sweep.plan.teacher_calls import TEACHER_CALLS, teacher_calls
from sweep.spec.axes import OF_EVERY_RUN, Axis
from trainers.settings import ModelSpec

# In place of a method, of a teacher that nobody trains.
GIVEN = "given"


def names_of_settings(axes: Iterable[Axis]) -> frozenset[str]:
    """The parameters of a run that are no hyperparameters."""
    return frozenset([*OF_EVERY_RUN, *(axis.name for axis in axes)])


def run_settings(plan: Plan, task: CohortTask, lane: LaneTask) -> dict[str, str]:
    """Of a run, by the names of parameters.

    A run that serves several values of an axis, as it does not read the field, names all of them.
    """
    labels, model = lane.source.labels, network_text(task.spec.model)
    settings = {
        "method": GIVEN if task.given else task.spec.method,
        "stage": task.stage,
        "seed": str(lane.source.seed),
        "noise_kind": labels.noise_kind,
        "noise_rate": repr(labels.noise_rate),
        "dataset": task.source.name if task.source else task.data.dataset,
    }
    if not lane.search:
        conditions = _conditions_of_teacher(plan, lane.key) if plan.spec.axes else ()
        role = "student" if task.is_of_starts else "teacher"
        return {**settings, role: model, **_labels(plan, conditions)}
    cell = plan.search(lane.search).cell
    return {
        **settings,
        "teacher_labels": _teacher_labels(cell),
        "student": model,
        **({"teacher": taught_by} if (taught_by := _teachers(plan, cell)) else {}),
        **_labels(plan, plan.conditions_of(cell)),
        CLEAN_LABELS: str(clean_labels(cell)),
        **({} if (calls := teacher_calls(cell)) is None else {TEACHER_CALLS: str(calls)}),
    }


def _teacher_labels(cell: Cell) -> str:
    """Which labels its teachers saw; of those that are given that is not known."""
    if cell.entry.teacher_is_student:
        return cell.condition.teacher_labels
    if all(teacher.given for teacher in cell.spec.teacher):
        return "not known"
    if all(teacher.source for teacher in cell.spec.teacher):
        return "their own"
    return cell.condition.teacher_labels


def network_text(model: ModelSpec) -> str:
    """A network in a few characters: ``resnet8``, ``mlp hidden 64-32``."""
    sizes = [
        f"{name} {'-'.join(map(str, size)) if isinstance(size, list | tuple) else size}"
        for name, size in model.sizes.items()
        if not isinstance(size, dict)
    ]
    return " ".join([model.name, *sizes])


def _teachers(plan: Plan, cell: Cell) -> str:
    """All teachers of its students, each network once, with what a light one is trained on."""
    heard = [job.network for job in plan.heard_by(cell, plan.search_seed)]
    named = [
        f"{network_text(teacher.network)} on {teacher.source.name}"
        if teacher.source
        else network_text(teacher.network)
        for teacher in heard
    ]
    return " + ".join(dict.fromkeys(named))


def _labels(plan: Plan, conditions: Iterable[Condition]) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {axis.name: {} for axis in plan.spec.axes}
    for condition in conditions:
        for value in condition.varied:
            found[value.axis][value.label] = None
    return {axis: ", ".join(labels) for axis, labels in found.items()}


def _conditions_of_teacher(plan: Plan, key: str) -> list[Condition]:
    """The conditions of all cells that hear a teacher, or a later generation of it, or start from
    it."""
    seed = next(job.seed for job in plan.jobs if teacher_run(job) == key)
    return [
        condition
        for cell in plan.cells
        if any(teacher_run(job) == key for job in plan.jobs_of(cell, seed))
        for condition in plan.conditions_of(cell)
    ]

"""What a run is in beside its hyperparameters: where it stands on the axes, its clean labels."""

from collections.abc import Iterable

from sweep.plan.clean_labels import CLEAN_LABELS, clean_labels
from sweep.plan.plan import Condition, Plan
from sweep.plan.tasks import teacher_run


def run_settings(plan: Plan, cell_id: str, key: str) -> dict[str, str]:
    """By the names of parameters; ``cell_id`` is empty for the run ``key`` of a teacher.

    A run that serves several values of an axis, as it does not read the field, names all of them.
    """
    if not cell_id:
        return _labels(plan, _conditions_of_teacher(plan, key)) if plan.spec.axes else {}
    cell = plan.cell(cell_id)
    labels = _labels(plan, plan.conditions_of(cell))
    return {**labels, CLEAN_LABELS: str(clean_labels(cell))}


def _labels(plan: Plan, conditions: Iterable[Condition]) -> dict[str, str]:
    found: dict[str, dict[str, None]] = {axis.name: {} for axis in plan.spec.axes}
    for condition in conditions:
        for value in condition.varied:
            found[value.axis][value.label] = None
    return {axis: ", ".join(labels) for axis, labels in found.items()}


def _conditions_of_teacher(plan: Plan, key: str) -> list[Condition]:
    """The conditions of all cells that hear a teacher, or a later generation of it."""
    seed = next(job.seed for job in plan.teachers if teacher_run(job) == key)
    return [
        condition
        for cell in plan.cells
        if any(teacher_run(job) == key for job in plan.jobs_of(cell, seed))
        for condition in plan.conditions_of(cell)
    ]

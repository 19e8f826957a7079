"""What is told of a trained student beside its weights: what it is, and how it came to be."""

from typing import Any

from sweep.plan.plan import Cell, Plan, spec_hash
from sweep.plan.run_settings import run_settings
from sweep.plan.tasks import CohortTask, LaneOutcome, LaneTask
from sweep.version import code_version
from trainers.registry import TASKS


def describe_student(
    plan: Plan, task: CohortTask, lane: LaneTask, outcome: LaneOutcome
) -> dict[str, Any]:
    """Of a confirm run, in plain values, as `trainers.student_files` writes it.

    Beside what it takes to use it: ``trained``, the sweep and the settings; ``metrics``, on the
    validation and the test split at the epoch that counts.
    """
    assert outcome.student is not None
    spec = task.spec
    model = TASKS[spec.task].networks[spec.model.name].complete(spec.model)
    cell = plan.cell(task.cell)
    labels = lane.source.labels
    return {
        "task": spec.task,
        "network": {"name": model.name, "sizes": dict(model.sizes)},
        **outcome.student.facts,
        "trained": {
            "sweep": plan.spec.name,
            "spec_hash": spec_hash(plan.spec),
            "code_version": code_version(),
            "dataset": task.data.dataset,
            "method": spec.method,
            "label": cell.use.label,
            "noise_kind": labels.noise_kind,
            "noise_rate": labels.noise_rate,
            "teacher_labels": _teacher_labels(cell),
            **run_settings(plan, task.cell, lane.key),
            "seed": lane.source.seed,
            "hyperparameters": dict(lane.lane.hyperparameters),
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            "training_examples": outcome.trained_on,
        },
        "metrics": {**outcome.best, **outcome.test},
    }


def _teacher_labels(cell: Cell) -> str:
    """Which labels its teachers saw; of those that are given that is not known."""
    given = not cell.entry.teacher_is_student and all(t.given for t in cell.spec.teacher)
    return "not known" if given else cell.condition.teacher_labels

"""What is told of a trained student beside its weights: what it is, and how it came to be."""

from typing import Any

from sweep.plan.plan import Plan, spec_hash
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
    cell = plan.search(lane.search).cell
    return {
        "task": spec.task,
        "network": {"name": model.name, "sizes": dict(model.sizes)},
        **outcome.student.facts,
        "trained": {
            "sweep": plan.spec.name,
            "spec_hash": spec_hash(plan.spec),
            "code_version": code_version(),
            **run_settings(plan, task, lane),
            "label": cell.use.label,
            "noise_rate": lane.source.labels.noise_rate,
            "seed": lane.source.seed,
            "hyperparameters": dict(lane.lane.hyperparameters),
            "epochs": outcome.epochs,
            "best_epoch": outcome.best_epoch,
            "training_examples": outcome.trained_on,
        },
        "metrics": {**outcome.best, **outcome.test},
    }

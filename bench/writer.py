"""What MLflow costs per trial: the writer of a sweep on SQLite.

    python bench/writer.py [--trials 64] [--epochs 30] [--metrics 12] [--quick]

The real `MlflowTracker` with its spool and its thread, in one process: so many trials in cohorts of
8 open, log every epoch and close, as fast as the calls return. Counted per trial:

    cpu_ms         of all threads of the process, until everything is in the store
    wall_ms        the same by the clock: it waits for the disk, too
    in_the_way_ms  what the calls themselves take by the clock: this alone holds a referee up

Writes bench/results/writer.json.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from machine import keep, options, say
from processes import DIGITS

from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, search_cohort
from sweep.spec.reader import read_spec

LANES = 8


def cohorts(plan: Plan, trials: int) -> list[CohortTask]:
    """So many trials of the first cell, in cohorts."""
    values = {"lr": 0.1, "temperature": 4.0, "meta_lr": 1000.0, "variant": "box"}
    return [
        search_cohort(
            plan, plan.searches[0], dict.fromkeys(range(i, i + LANES), values), i // LANES
        )
        for i in range(0, trials, LANES)
    ]


def train(tracker: MlflowTracker, task: CohortTask, epochs: int, metrics: int) -> None:
    """What a tracker is told of a cohort."""
    tracker.open(task)
    for epoch in range(1, epochs + 1):
        row = {f"metric_{i}": epoch + i / 7 for i in range(metrics)}
        tracker.log(epoch, {lane.key: row for lane in task.lanes})
    for lane in task.lanes:
        tracker.close(lane.key, "complete", {"best_epoch": 3.0, "best_validation_accuracy": 90.1})


def measure(trials: int, epochs: int, metrics: int) -> dict[str, Any]:
    """The cost per trial."""
    plan = Plan(read_spec(DIGITS, ["name=bench-writer"]))
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        store = open_store(Places(Path(place)))
        tracker = MlflowTracker(plan, store.open_sweep(plan), Path(place) / "mlflow.spool")
        tasks = cohorts(plan, trials)
        began, cpu = time.perf_counter(), time.process_time()
        for task in tasks:
            train(tracker, task, epochs, metrics)
        called = time.perf_counter()
        tracker.flush()
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        count = len(tasks) * LANES
    return {
        "trials": count,
        "epochs": epochs,
        "metrics": metrics,
        "cpu_ms": 1000 * cpu / count,
        "wall_ms": 1000 * wall / count,
        "in_the_way_ms": 1000 * (called - began) / count,
    }


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--metrics", type=int, default=12)
    given = parser.parse_args()
    trials, epochs = (LANES, 2) if given.quick else (given.trials, given.epochs)
    result = measure(trials, epochs, given.metrics)
    say(", ".join(f"{name} {value:.4g}" for name, value in result.items()))
    keep(given, "writer", result)


if __name__ == "__main__":
    main()

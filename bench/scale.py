"""Sweeps of many short trials: time per trial, memory, and how long taking one up again takes.

    python bench/scale.py [--trials 500 10000] [--ray] [--quick]

In process, each size in a process of its own: the real referee, studies on a journal, and writer to
MLflow on SQLite, over the 12 cells of the preset digits; only training is left out, its figures are
made up. Trials have 3 epochs and train in cohorts of 32. Counted:

    ms_per_trial     by the clock, of search and confirm, until everything is in the store
    peak_memory_mb   of the process, in all and beyond what it held at the start
    resume_s         until the referee of a new process is up on those stores
    record_s         until everything has been read back for a comparison
    spool_mb         the most that waited on disk for the store

With --ray a sweep of each size is launched by `almkd launch` instead, with MLPs trained for 3
epochs: seconds, peak memory of the launcher, and seconds of launching the finished sweep again.
Writes bench/results/scale.json (scale_ray.json).
"""

import argparse
import math
import multiprocessing
import random
import resource
import tempfile
import time
from pathlib import Path

from machine import keep, options, say
from processes import DIGITS, launch

from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.adapters.optuna.studies import OptunaStudies
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.referee import Referee
from sweep.spec.reader import read_spec

NAME, EPOCHS, LANES, CELLS = "bench-scale", 3, 32, 12


def changes(trials: int) -> list[str]:
    """What makes a sweep of so many short trials of the preset."""
    return [
        f"name={NAME}",
        f"search.trials={math.ceil(trials / CELLS)}",
        f"search.generation={LANES}",
        "search.pruner.n_warmup_steps=1",
        "confirm.seeds=1",
        f"student.training.epochs={EPOCHS}",
        "teacher.training.epochs=1",
    ]


class Tracker(MlflowTracker):
    """Without the files of confirm runs: what would be in them was not trained."""

    def attach(self, task: CohortTask, key: str, outcome: LaneOutcome) -> None:
        """Nothing."""


class Stage:
    """The stores of a sweep in a directory, and the referee that writes them."""

    def __init__(self, plan: Plan, place: Path) -> None:
        places = Places(place)
        self.store = open_store(places)
        places.sweep(NAME).mkdir(exist_ok=True)
        self.spool = places.sweep(NAME) / "mlflow.spool"
        self.tracker = Tracker(plan, self.store.open_sweep(plan), self.spool)
        self.studies = OptunaStudies(plan, str(places.journal(NAME)))
        teachers = [job.key for job in plan.teachers]
        self.referee = Referee(plan, self.studies, self.tracker, teachers, self.tracker.ended())


def train(referee: Referee, task: CohortTask) -> None:
    """A cohort whose figures are made up."""
    levels = {lane.key: 50 + 40 * random.Random(lane.key).random() for lane in task.lanes}
    live = list(levels)
    for epoch in range(1, EPOCHS + 1):
        rows = [{name: levels[key] + epoch for name in METRICS} for key in live]
        go_on = referee.report(task.id, epoch, live, rows)
        live = [key for key, goes in zip(live, go_on, strict=True) if goes]
    test = {"test_accuracy": 90.0, "test_loss": 0.3} if task.stage == "confirm" else {}
    outcomes = {
        key: LaneOutcome(EPOCHS, EPOCHS, dict.fromkeys(METRICS, levels[key] + EPOCHS), test)
        for key in live
    }
    referee.finish(task.id, outcomes)


METRICS = ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss")


def sweep(place: str, trials: int) -> dict[str, float]:
    """A sweep from nothing to its end."""
    plan = Plan(read_spec(DIGITS, changes(trials)))
    stage = Stage(plan, Path(place))
    held = peak_mb()
    began, most = time.perf_counter(), 0
    while not isinstance(task := stage.referee.next_cohort(), str):
        train(stage.referee, task)
        most = max(most, stage.spool.stat().st_size)
    stage.tracker.flush()
    seconds = time.perf_counter() - began
    stage.store.close_sweep(NAME, "complete")
    count = sum(plan.trials_of(cell) for cell in plan.cells) + len(plan.cells)
    return {
        "trials": count,
        "seconds": seconds,
        "ms_per_trial": 1000 * seconds / count,
        "peak_memory_mb": peak_mb(),
        "memory_growth_mb": peak_mb() - held,
        "spool_mb": most / 1e6,
    }


def resume(place: str, trials: int) -> dict[str, float]:
    """Taking the finished sweep up again, as a launch that was broken off does."""
    plan = Plan(read_spec(DIGITS, changes(trials)))
    began = time.perf_counter()
    stage = Stage(plan, Path(place))
    if stage.referee.next_cohort() != "done":
        raise RuntimeError("the sweep was not complete")
    up = time.perf_counter()
    stage.store.record(NAME)
    return {"resume_s": up - began, "record_s": time.perf_counter() - up}


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_process(trials: int) -> dict[str, float]:
    """Both, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        context = multiprocessing.get_context("spawn")
        with context.Pool(1, maxtasksperchild=1) as pool:
            first = pool.apply(sweep, (place, trials))
            return {**first, **pool.apply(resume, (place, trials))}


def on_ray(trials: int) -> dict[str, float]:
    """A sweep of so many trials launched, and launched again."""
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        sets = [word for change in changes(trials) for word in ("--set", change)]
        first = launch(DIGITS, Path(place), "--profile", *sets)
        again = launch(DIGITS, Path(place), *sets)
    return {
        "trials": trials,
        "seconds": first.seconds,
        "ms_per_trial": 1000 * first.seconds / trials,
        "peak_memory_mb": first.peak_memory_mb,
        "again_s": again.seconds,
    }


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 10_000])
    parser.add_argument("--ray", action=argparse.BooleanOptionalAction, default=False)
    given = parser.parse_args()
    points = {}
    for trials in [24] if given.quick else given.trials:
        points[trials] = on_ray(trials) if given.ray else in_process(trials)
        say(", ".join(f"{name} {value:.4g}" for name, value in points[trials].items()))
    per_trial = [point["ms_per_trial"] for point in points.values()]
    result = {"by_trials": points, "last_of_first": per_trial[-1] / per_trial[0]}
    keep(given, "scale_ray" if given.ray else "scale", result)


if __name__ == "__main__":
    main()

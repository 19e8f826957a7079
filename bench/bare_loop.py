"""A finished sweep against the same cohorts trained by `trainers` alone on as many processes.

    python bench/bare_loop.py [--rounds 3] [--runs-dir RUNS] [--sweep digits] [--processes 2]
        [--quick]

Without --runs-dir bench/digits.yaml is launched first, in an empty directory, and all of it as
often as --rounds says, sweep and bare loop in turn, so that every sweep but the first one stands
between two bare loops, of which the mean is taken: a machine is not as fast at all times. Kept is
the round whose ratio is the median, and the ratios of all. A sweep of --runs-dir must have been
launched with --profile, in one go. Its cohorts, their lanes, hyperparameters and the epochs after
which lanes were pruned are read from its MLflow store, and trained again in as many processes as
can train at once there, teachers first: no Ray, no Optuna, no MLflow, no files. Counted:

    bare_s      wall time from the first cohort to the last; processes are up, torch is loaded
    start_s     of the launch, until its first cohort: the fixed start
    rest_s      of the launch, from there to its end: training, statistics, figures, report
    ratio       rest_s / bare_s
    training_ratio    the same without statistics, figures and report
    budget_ratio      (start_s + rest_s - 15) / bare_s: the start takes what it may, the rest counts

Both trained the same number of lane epochs, which is checked. Writes bench/results/bare_loop.json.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from machine import keep_median, options, say
from numpy.typing import NDArray
from processes import DIGITS, QUICK, launch

from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import (
    NO_TRIAL,
    CohortTask,
    confirm_cohort,
    search_cohort,
    shortlist_cohort,
    teacher_cohort,
)
from sweep.spec.reader import check_spec

# What is kept of every teacher: arrays by name.
Outputs = dict[str, Mapping[str, NDArray[Any]]]
# How long a start may take, in seconds.
START_S = 15.0


class Job(NamedTuple):
    """A cohort, what is kept of its teachers, and after which epoch each lane was stopped."""

    task: CohortTask
    outputs: Outputs
    epochs: Mapping[str, int]


def warm(plan: Mapping[str, Any]) -> None:
    """Have a process load what it needs, and the data."""
    import torch

    from sweep import training
    from trainers.loading import load_dataset

    torch.set_num_threads(1)
    spec = check_spec(dict(plan), "the sweep's spec")
    KNOWN.update(train=training.train, dataset=load_dataset(spec.data_settings()))


# What `warm` has made ready in a process of the pool.
KNOWN: dict[str, Any] = {}


def train(job: Job) -> tuple[int, Outputs]:
    """Train a cohort, lanes stopping where they did in the sweep: lane epochs, kept outputs."""
    lane_epochs = 0

    def report(epoch: int, names: Sequence[str], rows: Sequence[Mapping[str, float]]) -> list[bool]:
        nonlocal lane_epochs
        lane_epochs += len(names)
        return [job.epochs.get(name, epoch + 1) > epoch for name in names]

    _, teachers = KNOWN["train"](job.task, KNOWN["dataset"], job.outputs, report)
    return lane_epochs, {key: teacher.outputs for key, teacher in teachers.items()}


def students(plan: Plan, trials: pd.DataFrame) -> tuple[list[CohortTask], dict[str, int]]:
    """The cohorts of students in the order of their start, of one cell or of several; when lanes
    were stopped."""
    tasks: list[CohortTask] = []
    epochs: dict[str, int] = {}
    rows = trials[trials["stage"] != "teacher"].sort_values("started", kind="stable")
    for _, group in rows.groupby("cohort", sort=False):
        alone = [student(plan, row) for row in group.itertuples()]
        lanes = tuple(lane for task in alone for lane in task.lanes)
        tasks.append(replace(alone[0], lanes=lanes))
        trained = map(int, group["epochs_trained"])
        epochs |= {lane.key: count for lane, count in zip(lanes, trained, strict=True)}
    return tasks, epochs


def student(plan: Plan, row: Any) -> CohortTask:
    """A run of a student on record, as a cohort of one lane."""
    seed, values = int(row.seed), json.loads(row.params)
    searches = plan.searches_of(plan.cell(row.cell))
    search = next(s for s in searches if seed in {s.seed, *s.confirmed})
    if row.stage == "search":
        return search_cohort(plan, search, {int(row.trial): values}, 0)
    if row.stage == "shortlist":
        return shortlist_cohort(plan, search, [(int(row.trial), values, int(row.stream))])
    return confirm_cohort(plan, search, NO_TRIAL, values, (seed,))


def train_all(plan: Plan, trials: pd.DataFrame, processes: int) -> tuple[float, int]:
    """Wall seconds of everything, and how many lane epochs the students trained."""
    tasks, epochs = students(plan, trials)
    spec = plan.spec.model_dump(mode="json")
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, warm, (spec,)) as pool:
        # Every process is up once each of them has answered.
        pool.map(time.sleep, [0.5] * processes, chunksize=1)
        began = time.perf_counter()
        outputs: Outputs = {}
        jobs = [Job(teacher_cohort(jobs), {}, {}) for jobs in plan.teacher_cohorts]
        for _, found in pool.imap_unordered(train, jobs):
            outputs |= found
        work = [Job(t, {key: outputs[key] for key in t.teachers}, epochs) for t in tasks]
        lane_epochs = sum(count for count, _ in pool.imap_unordered(train, work))
        return time.perf_counter() - began, lane_epochs


def compare(runs_dir: Path, name: str, processes: int | None = None) -> dict[str, Any]:
    """The launch of a sweep against the bare loop."""
    places = Places(runs_dir)
    store = open_store(places, must_exist=True)
    plan, trials = Plan(store.spec(name)), store.record(name).trials
    profile = json.loads(places.profile(name).read_text(encoding="utf-8"))
    count = processes or profile["processes"]
    bare, lane_epochs = train_all(plan, trials, count)
    trained = int(trials.loc[trials["stage"] != "teacher", "epochs_trained"].sum())
    if lane_epochs != trained:
        raise RuntimeError(f"{lane_epochs} lane epochs here, {trained} in the sweep")
    return {
        "sweep": name,
        "processes": count,
        "lane_epochs": lane_epochs,
        **ratios(profile, bare),
        "profile": profile,
    }


def ratios(profile: Mapping[str, float], bare: float) -> dict[str, float]:
    """What is told of a launch and of the bare loop's seconds."""
    start, training = profile["start_s"], profile["training_s"]
    rest = training + profile["comparison_s"]
    return {
        "bare_s": bare,
        "start_s": start,
        "rest_s": rest,
        "ratio": rest / bare,
        "training_ratio": training / bare,
        "budget_ratio": (start + rest - START_S) / bare,
    }


def measure(given: argparse.Namespace) -> list[dict[str, Any]]:
    """As many launches as asked for, each in an empty directory, and a bare loop after each."""
    results: list[dict[str, Any]] = []
    for _ in range(1 if given.quick else given.rounds):
        with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
            launch(DIGITS, Path(place), "--profile", *(QUICK if given.quick else ()))
            results.append(compare(Path(place), "digits", given.processes))
            say(f"bare loop {results[-1]['bare_s']:.1f} s")
    bares = [result["bare_s"] for result in results]
    for result, (before, after) in zip(results[1:], pairwise(bares), strict=True):
        result |= ratios(result["profile"], (before + after) / 2)
    if len({result["lane_epochs"] for result in results}) > 1:
        raise RuntimeError("the launches trained unlike cohorts")
    return results


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--runs-dir", type=Path, help="of a sweep launched with --profile")
    parser.add_argument("--sweep", default="digits", help="its name")
    parser.add_argument("--processes", type=int, help="by default as many as trained there")
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    if given.runs_dir:
        results = [compare(given.runs_dir, given.sweep, given.processes)]
    else:
        results = measure(given)
    for found in results:
        say(f"bare {found['bare_s']:.1f} s, the sweep {found['rest_s']:.1f} s after a start of "
            f"{found['start_s']:.1f} s: {found['ratio']:.2f} times")  # fmt: skip
    budgets = sorted(result["budget_ratio"] for result in results)
    keep_median(given, "bare_loop", [{**result, "budget_ratios": budgets} for result in results])


if __name__ == "__main__":
    main()

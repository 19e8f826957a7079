"""The sweep of a spec as a careful user would write it: Optuna, MLflow and two processes.

    python bench/careful_script.py [--spec bench/digits.yaml] [--per-seed] [--seeds 10]
        [--no-mlflow] [--processes 2] [--runs-dir PLACE] [--quick]

It trains by the same trainers as almkd, one trial at a time, and does with the usual libraries what
a sweep needs: every teacher once, its outputs in a file that students read; a study of Optuna per
cell with a journal of its own, TPE and median pruning as the spec has them; the best configuration
of each cell on paired seeds; a run of MLflow on SQLite for every trial, with its curves, in one
batch; means, differences and p by pandas and scipy. Processes are forked once everything is loaded,
a process takes a cell at a time so that no study is shared, the tables of MLflow are made while
teachers train, and confirm runs begin as soon as their cell's search is over.

Left out is what such a script goes without: resuming, failures, cohorts, a report. Kept are

    trials           of search and confirm
    trial_epochs     that students trained; those of teachers are not credited
    seconds          from the start of the process to the printed table

Writes bench/results/careful_script.json; stores stay where --runs-dir says, else nowhere.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import psutil
import torch
from machine import keep, options, say
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState
from processes import DIGITS, QUICK
from scipy import stats

import trainers  # noqa: F401 - before torch makes its first call to MKL
from sweep.adapters.optuna.rules import to_distributions
from sweep.plan.plan import Cell, Plan
from sweep.plan.tasks import (
    NO_TRIAL,
    CohortTask,
    LaneOutcome,
    confirm_cohort,
    search_cohort,
    teacher_cohort,
)
from sweep.spec.reader import read_spec
from sweep.training import train
from trainers.data.dataset import Dataset
from trainers.fields import Value
from trainers.loading import load_dataset
from trainers.loop.cohort import Metrics

RESAMPLES = 2000


@dataclass(frozen=True)
class Setting:
    """What every process knows; ``store``: of MLflow, empty for none."""

    plan: Plan
    dataset: Dataset
    place: Path
    store: str


# The setting of this process, and its client of MLflow once it has one.
KNOWN: dict[str, Any] = {}


def begin(setting: Setting) -> None:
    """Of a process, which was forked from one that had loaded everything."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    KNOWN["setting"] = setting


def train_teacher(number: int) -> None:
    """Train a teacher of the plan; what is kept of it goes into a file."""
    setting: Setting = KNOWN["setting"]
    task = teacher_cohort((setting.plan.jobs[number],))
    _, trained = train(task, setting.dataset, {}, lambda epoch, names, rows: [True])
    for key, teacher in trained.items():
        np.savez(setting.place / "teachers" / key, **teacher.outputs)


def train_student(
    task: CohortTask, trial: Trial | None = None
) -> tuple[LaneOutcome | None, list[Metrics]]:
    """Train a lane; its outcome, None where its trial was pruned, and its metrics by epoch."""
    setting: Setting = KNOWN["setting"]
    metric = f"validation_{setting.plan.spec.selection().metric}"
    teachers = setting.place / "teachers"
    outputs = {key: dict(np.load(teachers / f"{key}.npz")) for key in task.teachers}
    curve: list[Metrics] = []

    def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
        curve.append(rows[0])
        if trial is None or metric not in rows[0]:
            return [True]
        trial.report(rows[0][metric], epoch)
        return [not trial.should_prune()]

    outcomes, _ = train(task, setting.dataset, outputs, report)
    return next(iter(outcomes.values()), None), curve


def record(
    experiment: str,
    name: str,
    told: Mapping[str, object],
    curve: Sequence[Metrics],
    last: Mapping[str, float],
) -> None:
    """A finished run in MLflow: parameters, the curves of all epochs, and what came of it."""
    setting: Setting = KNOWN["setting"]
    if not setting.store:
        return
    if "client" not in KNOWN:
        KNOWN["client"] = MlflowClient(setting.store)
    client: MlflowClient = KNOWN["client"]
    now = int(1000 * time.time())
    rows = [(epoch, row) for epoch, row in enumerate(curve, start=1)]
    metrics = [Metric(key, value, now, step) for step, row in rows for key, value in row.items()]
    metrics += [Metric(f"final_{key}", value, now, len(curve)) for key, value in last.items()]
    run = client.create_run(experiment, run_name=name).info.run_id
    params = [Param(key, str(value)) for key, value in told.items()]
    client.log_batch(run, metrics=metrics, params=params)
    client.set_terminated(run)


def search(number: int, experiment: str) -> tuple[int, dict[str, Value], int]:
    """Search a cell: the search's number, the best configuration, and how many epochs it took."""
    setting: Setting = KNOWN["setting"]
    plan, spec = setting.plan, setting.plan.spec
    of = plan.searches[number]
    journal = JournalFileBackend(str(setting.place / "studies" / f"{number}.journal"))
    study = optuna.create_study(
        storage=JournalStorage(journal),
        study_name=of.id,
        sampler=TPESampler(seed=spec.seed, **spec.search.sampler.parameters()),
        pruner=MedianPruner(**spec.search.pruner.parameters()),
        direction=spec.objective_metric.direction,
    )
    for first in of.cell.tried_first:
        study.enqueue_trial(dict(first))
    metric, epochs = f"validation_{spec.selection().metric}", 0
    for _ in range(plan.trials_of(of.cell)):
        trial = study.ask(to_distributions(of.cell.space))
        task = search_cohort(plan, of, {trial.number: trial.params}, trial.number)
        outcome, curve = train_student(task, trial)
        if outcome:
            study.tell(trial, outcome.best[metric])
        else:
            study.tell(trial, state=TrialState.PRUNED)
        epochs += len(curve)
        told = {"cell": of.cell.id, "stage": "search", "seed": of.seed, **trial.params}
        record(experiment, task.lanes[0].key, told, curve, outcome.best if outcome else {})
    return number, study.best_params if of.cell.space else {}, epochs


def confirm(
    number: int, seed: int, values: Mapping[str, Value], experiment: str
) -> tuple[dict[str, object], int]:
    """Train a cell's best configuration on a seed: a row of results, and how many epochs."""
    plan: Plan = KNOWN["setting"].plan
    of = plan.searches[number]
    task = confirm_cohort(plan, of, NO_TRIAL, values, (seed,))
    outcome, curve = train_student(task)
    assert outcome  # nothing stops it
    told = {"cell": of.cell.id, "stage": "confirm", "seed": seed, **values}
    record(experiment, task.lanes[0].key, told, curve, outcome.test)
    value = outcome.test[f"test_{plan.spec.tested_metric.name}"]
    cell: Cell = of.cell
    row = {"condition": str(cell.condition), "method": cell.use.label, "seed": seed}
    return {**row, "value": value}, len(curve)


def compared(rows: pd.DataFrame, baselines: Sequence[str]) -> pd.DataFrame:
    """Means over seeds, and paired differences to the baselines with intervals and p.

    ``rows``: condition, method, seed, value.
    """
    rng = np.random.default_rng(0)
    lines = []
    for condition, of in rows.groupby("condition", sort=False):
        by_seed = of.pivot_table(index="seed", columns="method", values="value", sort=False)
        for method, other in ((m, b) for m in by_seed for b in baselines):
            line = {"condition": condition, "method": method, "mean": by_seed[method].mean(),
                    "std": by_seed[method].std()}  # fmt: skip
            if method != other:
                d = (by_seed[method] - by_seed[other]).to_numpy()
                drawn = d[rng.integers(0, len(d), (RESAMPLES, len(d)))].mean(1)
                low, high = np.quantile(drawn, [0.025, 0.975])
                line |= {"against": other, "difference": d.mean(), "low": low, "high": high,
                         "p": stats.ttest_rel(by_seed[method], by_seed[other]).pvalue}  # fmt: skip
            lines.append(line)
    return pd.DataFrame(lines)


def run(setting: Setting, processes: int) -> tuple[pd.DataFrame, int, int]:
    """All of it: the rows of confirm, how many trials there were, and their epochs."""
    plan = setting.plan
    for name in ("teachers", "studies"):
        (setting.place / name).mkdir(parents=True)
    with multiprocessing.get_context("fork").Pool(processes, begin, (setting,)) as pool:
        teachers = pool.map_async(train_teacher, range(len(plan.jobs)), chunksize=1)
        experiment = ""
        if setting.store:
            experiment = MlflowClient(setting.store).create_experiment(plan.spec.name)
        teachers.get()
        numbers = range(len(plan.searches))
        searches = [pool.apply_async(search, (number, experiment)) for number in numbers]
        confirmed, trials, epochs = [], 0, 0
        for found in searches:
            number, best, count = found.get()
            of = plan.searches[number]
            trials, epochs = trials + plan.trials_of(of.cell), epochs + count
            confirmed += [
                pool.apply_async(confirm, (number, seed, best, experiment)) for seed in of.confirmed
            ]
        results = [found.get() for found in confirmed]
    rows = pd.DataFrame([row for row, _ in results])
    return rows, trials + len(results), epochs + sum(count for _, count in results)


def setting_of(given: argparse.Namespace, place: Path) -> Setting:
    """The spec with what the options change, its data, and where stores go."""
    changes = [*(QUICK[1::2] if given.quick else ())]
    changes += ["search.per_seed=true"] if given.per_seed else []
    changes += [f"confirm.seeds={given.seeds}"] if given.seeds else []
    plan = Plan(read_spec(given.spec, changes))
    store = "" if given.no_mlflow else f"sqlite:///{place}/mlflow.db"
    return Setting(plan, load_dataset(plan.spec.data_settings()), place, store)


def main() -> None:
    """Run the sweep, print its table, and write down what it took."""
    parser = options(__doc__)
    parser.add_argument("--spec", default=DIGITS, help="searched by TPE with median pruning")
    parser.add_argument("--per-seed", action="store_true", help="a study per cell and seed")
    parser.add_argument("--seeds", type=int, help="of confirm; by default the spec's")
    parser.add_argument("--no-mlflow", action="store_true", help="leave the tracking out")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--runs-dir", type=Path, help="an empty directory for the stores")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as scratch:
        setting = setting_of(given, given.runs_dir or Path(scratch))
        rows, trials, epochs = run(setting, given.processes)
        table = compared(rows, setting.plan.baselines)
        say(table.to_string(index=False, float_format="{:.3g}".format, na_rep=""))
        seconds = time.time() - psutil.Process().create_time()
        if given.runs_dir:
            table.to_csv(given.runs_dir / "table.csv", index=False)
    say(f"{trials} trials, {epochs} trial-epochs in {seconds:.1f} s")
    result = {"trials": trials, "trial_epochs": epochs, "seconds": seconds}
    keep(given, "careful_script", result)


if __name__ == "__main__":
    main()

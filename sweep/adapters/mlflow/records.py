"""From MLflow's runs to the record that is compared."""

import json
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from sweep.adapters.mlflow.histories import is_curve
from sweep.adapters.mlflow.known import EPOCHS
from sweep.adapters.mlflow.runs import StoredRun
from sweep.compare.records import SweepRecord, trial_columns
from sweep.plan.plan import Plan
from sweep.plan.tasks import NO_TRIAL
from trainers.entries import Metric


def to_record(plan: Plan, runs: Iterable[StoredRun]) -> SweepRecord:
    """A sweep as planned and as its child runs say it went; runs are read once, one by one."""
    spec, objective, tested = plan.spec, plan.spec.objective_metric, plan.spec.tested_metric
    metrics = spec.task_entry.metrics
    rows, logged = [], set[str]()
    for run in runs:
        rows.append(_row(run, objective.name, metrics))
        logged.update(run.metrics)
    others = tuple(
        metric
        for metric in metrics.values()
        if f"test_{metric.name}" in logged and metric != tested
    )
    return SweepRecord(
        name=spec.name,
        dataset=spec.data.dataset,
        metric=tested.name,
        unit=tested.unit,
        direction=tested.direction,
        methods=tuple(use.label for use in spec.methods),
        baselines=plan.baselines,
        conditions=plan.conditions,
        confirm_seeds=plan.confirm_seeds,
        planned_trials={cell.use.label: plan.trials_of(cell) for cell in plan.cells},
        trials=_frame(_counted(rows, plan), objective.name, [tested, *others]),
        curve_metrics=tuple(sorted(name for name in logged if is_curve(name))),
        spaces={use.label: spec.space_of(use) for use in spec.methods},
        device="GPU" if spec.resources.gpus else "CPU",
        devices=spec.resources.gpus or spec.resources.cpus,
        searched=objective,
        others=others,
    )


def _value(text: str) -> str | int | float:
    """A parameter as it was before the store made text of it."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _row(run: StoredRun, objective: str, known: Iterable[str]) -> dict[str, Any]:
    tags, metrics = run.tags, run.metrics
    end = run.end
    params = {k: _value(v) for k, v in run.params.items() if k != "method"}
    return {
        "sweep": tags["sweep"],
        "stage": tags["stage"],
        "cell": tags.get("cell", ""),
        "method": tags["method"],
        "noise_kind": tags["noise_kind"],
        "noise_rate": float(tags["noise_rate"]),
        "teacher_labels": tags.get("teacher_labels", ""),
        "trial": int(tags["trial"]) if "trial" in tags else None,
        "seed": int(tags["seed"]),
        "state": tags["state"],
        "reason": tags.get("reason"),
        f"validation_{objective}": metrics.get(f"best_validation_{objective}", math.nan),
        "best_epoch": int(metrics["best_epoch"]) if "best_epoch" in metrics else None,
        "epochs_trained": int(metrics.get(EPOCHS, 0)),
        "started": run.start / 1000,
        "wall_s": (end - run.start) / 1000 if end else math.nan,
        "cohort": tags.get("cohort"),
        "params": json.dumps(params, sort_keys=True),
        "won_as": _won_as(tags),
        "run_id": run.run_id,
        **{f"test_{name}": metrics.get(f"test_{name}", math.nan) for name in known},
    }


def _counted(rows: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The rows without confirm runs of a configuration that is no longer its cell's best."""
    metric = f"validation_{plan.spec.objective.metric}"
    sign = 1.0 if plan.spec.objective_metric.direction == "maximize" else -1.0
    best: dict[str, tuple[float, int]] = {}
    for row in rows:
        if row["stage"] == "search" and row["state"] == "complete":
            place = (sign * row[metric], -row["trial"])
            best[row["cell"]] = max(place, best.get(row["cell"], place))
    return [
        row
        for row in rows
        if row["stage"] != "confirm"
        or row["won_as"] == NO_TRIAL
        or row["won_as"] == -best.get(row["cell"], (0.0, -row["won_as"]))[1]
    ]


def _won_as(tags: dict[str, str]) -> int:
    """As which trial the configuration of a confirm run won the search."""
    parts = tags["key"].split("/confirm/")[-1].split("/")
    return int(parts[0]) if tags["stage"] == "confirm" and len(parts) > 1 else NO_TRIAL


def _frame(rows: list[dict[str, Any]], objective: str, tests: list[Metric]) -> pd.DataFrame:
    """``tests``: the metric that is compared, then the others."""
    compared, *others = tests
    names = [f"test_{metric.name}" for metric in others]
    columns = [*trial_columns(compared.name, objective), *names]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype({"trial": "Int64", "best_epoch": "Int64"})

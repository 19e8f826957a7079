"""From MLflow's runs to the record that is compared."""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import pandas as pd

from sweep.adapters.mlflow.counting import counted
from sweep.adapters.mlflow.histories import is_curve
from sweep.adapters.mlflow.known import EPOCHS, EXAMPLES, STEPS, TRAINED_FROM
from sweep.adapters.mlflow.runs import StoredRun
from sweep.compare.records import (
    TEACHER,
    WHOLE,
    HeardTeacher,
    Splits,
    SweepRecord,
    of_plan,
    trial_columns,
)
from sweep.plan.choice import Candidate, best_first, best_mean
from sweep.plan.clean_labels import CLEAN_LABELS, clean_labels
from sweep.plan.plan import Cell, CellSearch, Plan
from sweep.plan.run_settings import names_of_settings
from sweep.plan.search_end import SearchEnd
from sweep.plan.tasks import NO_TRIAL, teacher_run
from sweep.plan.teacher_calls import TEACHER_CALLS, teacher_calls
from sweep.plan.teacher_jobs import TeacherJob
from sweep.referee.states import ENDED
from sweep.spec.axes import Axis
from trainers.entries import Metric


def to_record(
    plan: Plan, runs: Iterable[StoredRun], search_end: SearchEnd | None = None
) -> SweepRecord:
    """A sweep as planned and as its child runs say it went; those that do not count are told of.

    ``search_end``: where a limit of time ended its searches.
    """
    spec, objective, tested = plan.spec, plan.spec.objective_metric, plan.spec.tested_metric
    metrics = spec.task_entry.metrics
    rows, logged = [], set[str]()
    reached: dict[str, Mapping[str, float]] = {}
    settings = names_of_settings(spec.axes)
    found = counted(plan, runs)
    # Once a cell: a sweep has thousands of runs of some.
    on_axes = cache(partial(_on_axes, plan))
    for run in found.runs:
        row = _row(run, objective.name, metrics, settings)
        rows.append(row | on_axes(run.tags.get("cell")))
        logged.update(run.metrics)
        if run.tags["stage"] == TEACHER:
            reached[run.tags["key"]] = run.metrics
    others = tuple(
        metric
        for metric in metrics.values()
        if f"test_{metric.name}" in logged and metric != tested
    )
    return SweepRecord(
        **of_plan(plan),
        name=spec.name,
        dataset=spec.data.dataset,
        metric=tested.name,
        unit=tested.unit,
        direction=tested.direction,
        conditions=plan.conditions,
        confirm_seeds=plan.confirm_seeds,
        trials=_frame(_up_to_date(rows, plan), objective.name, [tested, *others], plan.spec.axes),
        curve_metrics=tuple(sorted(name for name in logged if is_curve(name))),
        device="GPU" if spec.resources.gpus else "CPU",
        devices=spec.resources.gpus or spec.resources.cpus,
        searched=objective,
        others=others,
        axes=tuple(axis.name for axis in spec.axes),
        cells={
            (condition, use.label): plan.shown(condition, use.label).id
            for condition in plan.conditions
            for use in spec.methods
            if condition.varied
        },
        splits=_splits(plan),
        per_seed=spec.search.per_seed,
        teachers=heard_teachers(plan, reached),
        declared=None if spec.questions is None else plan.declared,
        notices=tuple(found.notices(spec.name)),
        search_ends={spec.name: search_end} if search_end else {},
    )


def _splits(plan: Plan) -> Splits:
    """What the splits of confirm seeds have in common."""
    if plan.spec.confirm.folds:
        return "folds"
    return "given" if any(cell.spec.data.splits.given for cell in plan.cells) else "drawn"


def _on_axes(plan: Plan, cell: str | None) -> dict[str, str | float | None]:
    """Where a run stands on the axes, nothing where its cell does not read one, its clean
    labels, and its calls where they are limited."""
    if not cell:
        return {}
    known = plan.cell(cell)
    condition = known.condition.columns
    axes = {axis.name: condition.get(axis.name) for axis in plan.spec.axes}
    calls = teacher_calls(known)
    limited = {} if calls is None else {TEACHER_CALLS: str(calls)}
    return {**axes, CLEAN_LABELS: str(clean_labels(known)), **limited}


def heard_teachers(
    plan: Plan, reached: Mapping[str, Mapping[str, float]]
) -> dict[str, tuple[HeardTeacher, ...]]:
    """The teachers of every cell that hears some; ``reached``: metrics of runs by their keys."""
    found = {}
    for cell in plan.cells:
        by_seed = [plan.heard_by(cell, seed) for seed in plan.confirm_seeds]
        found[cell.id] = tuple(
            _heard_teacher(cell, jobs, reached) for jobs in zip(*by_seed, strict=True)
        )
    return {cell: teachers for cell, teachers in found.items() if teachers}


def _heard_teacher(
    cell: Cell, jobs: Sequence[TeacherJob], reached: Mapping[str, Mapping[str, float]]
) -> HeardTeacher:
    """A teacher of a cell; ``jobs``: what leaves it under each confirm seed."""
    job, oracles = jobs[0], cell.spec.task_entry.oracles
    noisy = cell.condition.noise_rate and "validation" in cell.spec.conditions.noisy_splits
    return HeardTeacher(
        job.name,
        job.labels_in_words,
        bool(job.given),
        _at_best(jobs, reached, cell.spec.objective.metric),
        comparable=not (job.network.source or job.reads_targets)
        and (not noisy or job.labels == cell.condition.labels),
        reads_targets=job.reads_targets,
        told=tuple(
            (name, _at_best(jobs, reached, name)) for name in (oracles.names if oracles else ())
        ),
        count=job.network.count,
    )


def _at_best(
    jobs: Sequence[TeacherJob], reached: Mapping[str, Mapping[str, float]], metric: str
) -> tuple[float, ...]:
    """A metric on the validation split of each of these teachers, where it was measured."""
    of_jobs = (reached.get(teacher_run(job), {}) for job in dict.fromkeys(jobs))
    values = (metrics.get(f"best_validation_{metric}", math.nan) for metrics in of_jobs)
    return tuple(value for value in values if math.isfinite(value))


def _value(text: str) -> str | int | float:
    """A parameter as it was before the store made text of it."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _row(
    run: StoredRun, objective: str, known: Iterable[str], settings: Collection[str]
) -> dict[str, Any]:
    """``settings``: parameters of runs that are no hyperparameters."""
    tags, metrics = run.tags, run.metrics
    start, end = int(tags.get(TRAINED_FROM, run.start)), run.end
    params = {k: _value(v) for k, v in run.params.items() if k not in settings}
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
        "stream": int(tags["stream"]) if "stream" in tags else None,
        "state": tags["state"],
        "reason": tags.get("reason"),
        f"validation_{objective}": metrics.get(f"best_validation_{objective}", math.nan),
        "best_epoch": int(metrics["best_epoch"]) if "best_epoch" in metrics else None,
        "epochs_trained": int(metrics.get(EPOCHS, 0)),
        EXAMPLES: int(metrics[EXAMPLES]) if EXAMPLES in metrics else None,
        STEPS: int(metrics[STEPS]) if STEPS in metrics else None,
        "started": start / 1000,
        # A clock that was set back in between makes no time negative.
        "wall_s": max(0.0, (end - start) / 1000) if end else math.nan,
        "cohort": tags.get("cohort"),
        "params": json.dumps(params, sort_keys=True),
        "won_as": _won_as(tags),
        "search": search_of(tags),
        "run_id": run.run_id,
        **{f"test_{name}": metrics.get(f"test_{name}", math.nan) for name in known},
    }


def _up_to_date(rows: list[dict[str, Any]], plan: Plan) -> list[dict[str, Any]]:
    """The rows without runs of configurations that are no longer on a shortlist, or chosen."""
    by_search: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_search.setdefault(row["search"], []).append(row)
    left: set[str] = set()
    for search in plan.searches:
        left.update(_left_behind(by_search.get(search.id, ()), plan, search))
    return [row for row in rows if row["run_id"] not in left]


def _left_behind(rows: Collection[dict[str, Any]], plan: Plan, search: CellSearch) -> list[str]:
    """Of one search: runs, by id, that an extension of it has left behind."""
    if not search.cell.space:
        return []
    shortlist = _shortlist(rows, plan, search)
    if not shortlist:
        return []
    tried = {c.number: [] for c in shortlist}  # type: dict[int, list[dict[str, Any]]]
    left = []
    for row in rows:
        if row["stage"] == "shortlist":
            if row["trial"] in tried:
                tried[row["trial"]].append(row)
            else:
                left.append(row["run_id"])
    chosen = _chosen(tried, plan, search)
    return left + [
        row["run_id"] for row in rows if row["stage"] == "confirm" and row["won_as"] != chosen
    ]


def _shortlist(rows: Collection[dict[str, Any]], plan: Plan, search: CellSearch) -> list[Candidate]:
    """The configurations that are tried again; where none is, the best."""
    column = f"validation_{plan.spec.objective.metric}"
    complete = [
        Candidate(row["trial"], json.loads(row["params"]), row[column])
        for row in rows
        if row["stage"] == "search" and row["state"] == "complete"
    ]
    configurations, _ = plan.shortlist_of(search.cell)
    return best_first(complete, _maximizes(plan))[: configurations or 1]


def _chosen(
    tried: Mapping[int, list[dict[str, Any]]], plan: Plan, search: CellSearch
) -> int | None:
    """The trial whose configuration is confirmed; None before that is known."""
    column = f"validation_{plan.spec.objective.metric}"
    _, streams = plan.shortlist_of(search.cell)
    ended = {n: [row for row in runs if row["state"] in ENDED] for n, runs in tried.items()}
    if any(len(runs) < streams for runs in ended.values()):
        return None
    values = {
        number: [row[column] if row["state"] == "complete" else None for row in runs]
        for number, runs in ended.items()
    }
    return best_mean(values, _maximizes(plan)) if streams else next(iter(tried), None)


def _maximizes(plan: Plan) -> bool:
    return plan.spec.objective_metric.direction == "maximize"


def _won_as(tags: dict[str, str]) -> int:
    """As which trial the configuration of a confirm run won the search."""
    parts = tags["key"].split("/confirm/")[-1].split("/")
    return int(parts[0]) if tags["stage"] == "confirm" and len(parts) > 1 else NO_TRIAL


def search_of(tags: Mapping[str, str]) -> str:
    """The name of the search that a run belongs to; empty for teachers."""
    stage = {"search": "/trial/"}.get(tags["stage"], f"/{tags['stage']}/")
    return tags["key"].rpartition(stage)[0] if "cell" in tags else ""


def _frame(
    rows: list[dict[str, Any]], objective: str, tests: list[Metric], axes: Sequence[Axis]
) -> pd.DataFrame:
    """``tests``: the metric that is compared, then the others."""
    compared, *others = tests
    names = [
        *(f"test_{metric.name}" for metric in others),
        CLEAN_LABELS,
        *((TEACHER_CALLS,) if any(TEACHER_CALLS in row for row in rows) else ()),
        *(axis.name for axis in axes),
    ]
    columns = [*trial_columns(compared.name, objective), *names]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.astype(WHOLE)

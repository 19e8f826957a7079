"""A sweep's smallest self: every cell once, for an epoch or two, to see whether all of it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from sweep.errors import SweepFailed, last_line
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.run import launch
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from sweep.spec.student import is_trained
from sweep.terminal import Terminal
from trainers.entries import MethodEntry

# Fields of a training that count epochs.
WARM = ".warm_start.epochs"
PER_EPOCH = (".training.epochs", ".training.evaluate_every", WARM)


@dataclass(frozen=True)
class Failure:
    """A cell that did not run, or ``teacher`` or ``warm start``, and the last line of why."""

    cell: str
    reason: str


def smoke(spec: SweepSpec) -> list[Failure]:
    """Launch the smallest form of a sweep where nothing is kept; what failed in it."""
    smallest = smallest_of(spec)
    with TemporaryDirectory(prefix="almkd-smoke-", ignore_cleanup_errors=True) as place:
        places = Places(Path(place))
        try:
            record = launch(smallest, places, Terminal(quiet=True)).record
        except SweepFailed:
            record = open_store(places).record(spec.name)
    return failures([cell.id for cell in Plan(smallest).cells], record.trials)


def smallest_of(spec: SweepSpec) -> SweepSpec:
    """The same cells and teachers with one trial, one confirm seed, one epoch of every training.

    A teacher with several snapshots takes an epoch for each; students take two, one of each kind,
    where a hyperparameter says how many of their epochs are of another kind.
    """
    data = spec.model_dump(mode="json")
    teachers = data["teacher"] if isinstance(data["teacher"], list) else [data["teacher"]]
    for teacher in teachers:
        if not is_trained(teacher):
            continue
        snapshots = list(range(1, 1 + len(teacher.get("snapshots") or ())))
        teacher["training"] = _short(teacher["training"], len(snapshots) or 1)
        teacher.update({"snapshots": snapshots} if snapshots else {})
    counts = [_counts_of_epochs(spec.entry_of(use)) for use in spec.methods]
    epochs = 2 if any(counts) else 1
    data["student"] = _short_student(data["student"], epochs)
    for row, names in zip(data["methods"], counts, strict=True):
        row["pin"] = {**row.get("pin", {}), **dict.fromkeys(names, 1)}
        row.update({"with": _short_patch(row["with"], epochs)} if row.get("with") else {})
    vary = data["conditions"].get("vary") or {}
    for name, axis in vary.items():
        vary[name] = _short_axis(axis, epochs)
    plain = {"sampler": {"name": "random"}, "pruner": {"name": "none"}}
    alone = {"trials": 1, "generation": 1, "shortlist": "none", "per_seed": False}
    data["search"] = {**data["search"], **plain, **alone}
    data["confirm"] = {"seeds": 1}
    data["compare"] = {k: v for k, v in data.get("compare", {}).items() if k != "questions"}
    return check_spec(data, f"{spec.name} with --smoke", allow_code=True)


def failures(cells: Sequence[str], trials: pd.DataFrame) -> list[Failure]:
    """What failed of the teachers and of each cell, by the trials of a sweep; in that order."""
    failed = trials[trials["state"] == "failed"]
    teachers = failed.loc[failed["stage"] == "teacher", ["method", "reason"]].drop_duplicates()
    found = [
        Failure(role, last_line(str(reason))) for role, reason in teachers.itertuples(index=False)
    ]
    lacks = " or ".join(dict.fromkeys(failure.cell for failure in found)) or "teacher"
    done = trials[(trials["stage"] == "confirm") & (trials["state"] == "complete")]
    for cell in cells:
        if cell not in set(done["cell"]):
            reasons = failed.loc[failed["cell"] == cell, "reason"]
            reason = last_line(str(reasons.iloc[0])) if len(reasons) else f"its {lacks} failed"
            found.append(Failure(cell, reason))
    return found


def _counts_of_epochs(entry: MethodEntry) -> list[str]:
    """The hyperparameters that say how many epochs are of another kind than the first."""
    return [h.name for h in entry.hyperparameters if h.below_epochs]


def _short(training: dict[str, Any], epochs: int) -> dict[str, Any]:
    """So many epochs, whatever the schedule."""
    kept = {name: value for name, value in training.items() if name not in {"milestones", "factor"}}
    return {**kept, "epochs": epochs, "schedule": "constant", "evaluate_every": 1}


def _short_student(student: dict[str, Any], epochs: int) -> dict[str, Any]:
    """A student with so many, and so many of its warm start."""
    short = {**student, "training": _short(student.get("training", {}), epochs)}
    if student.get("warm_start"):
        short["warm_start"] = {**student["warm_start"], "epochs": epochs}
    return short


def _short_axis(axis: dict[str, Any], epochs: int) -> dict[str, Any]:
    """An axis whose networks take so many; one over epochs keeps its conditions, all alike, but for
    warm starts, each one more than the one before it, so that their cells stay apart."""
    if "values" not in axis:
        return {
            label: _short_patch(patch, epochs, 1 + place)
            for place, (label, patch) in enumerate(axis.items())
        }
    field = axis["field"]
    if not field.endswith(PER_EPOCH):
        return axis
    return {
        str(value): _short_patch({field: value}, epochs, 1 + place)
        for place, value in enumerate(axis["values"])
    }


def _short_patch(patch: dict[str, Any], epochs: int, warm: int = 1) -> dict[str, Any]:
    """A patch whose networks take so many epochs, and their warm starts ``warm``."""
    short = dict(patch)
    for path, content in patch.items():
        if path.endswith(PER_EPOCH):
            short[path] = warm if path.endswith(WARM) else epochs
        elif path.endswith(".training"):
            short[path] = _short(content, epochs)
        elif path.endswith(".warm_start") and content:
            short[path] = {**content, "epochs": epochs}
        elif path == "student" and isinstance(content, dict):
            short[path] = _short_student(content, epochs)
        elif isinstance(content, dict) and "model" in content and is_trained(content):
            short[path] = {**content, "training": _short(content.get("training", {}), epochs)}
    return short

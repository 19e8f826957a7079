"""Where the time of a launch went: on the launcher's clock, and in the processes that trained."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

TEACHER = "teacher"
WAITING = "waiting"
# What a trainer's stopwatch tells apart, and how it reads in the table.
PURPOSES: Mapping[str, str] = {
    "training": "training steps",
    "evaluation": "evaluation",
    "method": "the methods' own updates, such as those of λ",
    "set-up": "setting cohorts up",
    WAITING: "waiting for the referee",
}


@dataclass(frozen=True)
class Work:
    """What the referee knows: seconds, and moments in seconds since 1970.

    ``cohorts``: seconds by stage and label, such as ``search/alm_kd``, then by purpose; those of
    cohorts that broke off are not among them. ``processes``: how many cohorts can train at once.
    """

    first_cohort: float
    processes: int
    cohorts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    referee_s: float = 0.0
    referee_calls: int = 0
    writer_s: float = 0.0


@dataclass(frozen=True)
class Launcher:
    """Moments of a launch, in seconds since 1970."""

    began: float
    trained: float
    ended: float


def in_processes(work: Work, launcher: Launcher) -> dict[str, float]:
    """Seconds of all processes that trained, by what they did from the first cohort on."""
    spent = {"teachers": 0.0, **dict.fromkeys(PURPOSES, 0.0)}
    for name, purposes in work.cohorts.items():
        for purpose, seconds in purposes.items():
            teacher = name.startswith(TEACHER) and purpose != WAITING
            spent["teachers" if teacher else purpose] += seconds
    all_of_them = work.processes * (launcher.trained - work.first_cohort)
    return {**spent, "idle": max(0.0, all_of_them - sum(spent.values()))}


def as_json(work: Work, launcher: Launcher) -> str:
    """Everything that is known, for other programs."""
    stages = {
        "start_s": work.first_cohort - launcher.began,
        "training_s": launcher.trained - work.first_cohort,
        "comparison_s": launcher.ended - launcher.trained,
        "total_s": launcher.ended - launcher.began,
    }
    return json.dumps(
        {**stages, "in_processes_s": in_processes(work, launcher), **asdict(work)}, indent=2
    )


def as_table(work: Work, launcher: Launcher) -> "Table":
    """The same for a reader."""
    # Here and not above: the referee's process draws no tables.
    from rich.table import Table

    table = Table("where the time went", "s", "%", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"

    def row(what: str, seconds: float, of: float) -> None:
        share = 100 * seconds / of if of > 0 else 0.0
        table.add_row(what, f"{seconds:.1f}", f"{share:.0f}")

    total = launcher.ended - launcher.began
    row("the launch", total, total)
    row("  start, until the first cohort", work.first_cohort - launcher.began, total)
    row("  all stages of training", launcher.trained - work.first_cohort, total)
    row("  comparison and report", launcher.ended - launcher.trained, total)
    spent = in_processes(work, launcher)
    everything = sum(spent.values())
    row(f"the {work.processes} processes that train, meanwhile", everything, everything)
    labels = {"teachers": "teachers, all of it", **PURPOSES, "idle": "without a cohort"}
    for purpose, seconds in spent.items():
        row(f"  {labels[purpose]}", seconds, everything)
    table.add_row("beside them")
    wall = launcher.trained - work.first_cohort
    row(f"  the referee, in {work.referee_calls} calls", work.referee_s, wall)
    row("  the writer to MLflow", work.writer_s, wall)
    return table


def write(work: Work, launcher: Launcher, path: Path) -> None:
    """Keep what is known beside a sweep's results."""
    path.write_text(as_json(work, launcher) + "\n", encoding="utf-8")

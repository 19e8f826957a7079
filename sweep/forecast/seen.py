"""What cohorts of a sweep took that have run, by the runs on record: then nothing need be timed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from sweep.compare.cost import cohort_s
from sweep.compare.records import TEACHER, SweepRecord
from sweep.forecast.costs import Line, ShapeCost, cell_of, shape_of, trains_together
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask
from sweep.referee.states import ENDED


@dataclass
class _Sum:
    """Over the cohorts of a shape: seconds that they held, their epochs, and those of lanes."""

    seconds: float = 0.0
    epochs: float = 0.0
    lane_epochs: float = 0.0


def seen_costs(
    plan: Plan, record: SweepRecord, tasks: Sequence[CohortTask]
) -> Mapping[str, ShapeCost]:
    """Costs of those shapes of ``tasks`` of which some cohort has ended; all that a cohort took is
    in its epochs."""
    shapes: dict[tuple[str, str], dict[str, CohortTask]] = defaultdict(dict)
    for task in tasks:
        shapes[_place(plan, task)].setdefault(shape_of(plan, task), task)
    sums: dict[str, _Sum] = defaultdict(_Sum)
    by_shape: dict[str, CohortTask] = {}
    ended = _ended(record.trials)
    held = cohort_s(ended)
    for (stage, cell, method), cohorts in ended.groupby(["stage", "cell", "method"], dropna=False):
        place = (str(stage), str(method) if stage == TEACHER else str(cell))
        # Runs of teachers do not say which of several networks they are of.
        if len(shapes[place]) != 1:
            continue
        by_shape |= shapes[place]
        (shape,) = shapes[place]
        total = sums[shape]
        total.seconds += float(held[cohorts["cohort"].unique()].sum())
        epochs = cohorts.groupby("cohort")["epochs_trained"]
        total.epochs += float(epochs.max().sum())
        total.lane_epochs += float(epochs.sum().sum())
    return {
        shape: _cost(plan, by_shape[shape], total)
        for shape, total in sums.items()
        if total.epochs > 0
    }


def _ended(trials: pd.DataFrame) -> pd.DataFrame:
    """The runs of cohorts all of whose runs ended, in one process."""
    known = trials.dropna(subset=["cohort", "started", "wall_s"])
    over = known["state"].isin(ENDED).groupby(known["cohort"]).transform("all")
    return known[over]


def _place(plan: Plan, task: CohortTask) -> tuple[str, str]:
    """Where runs on record have a cohort's shape: its stage, and its cell or what is trained."""
    cell = cell_of(plan, task)
    if cell is not None:
        return task.stage, cell.id
    return TEACHER, "warm start" if task.is_of_starts else "teacher"


def _cost(plan: Plan, task: CohortTask, total: _Sum) -> ShapeCost:
    """Of a shape whose cohorts took so long."""
    if trains_together(plan, task):
        epoch = Line(total.seconds / total.epochs, 0.0)
    else:
        epoch = Line(0.0, total.seconds / total.lane_epochs)
    nothing, phases = Line(), range(task.spec.training.phases)
    return ShapeCost(
        nothing,
        nothing,
        tuple(epoch for _ in phases),
        tuple(nothing for _ in phases),
        tuple(nothing for _ in phases),
        tuple(epoch for _ in phases),
        nothing,
        nothing,
    )

"""How far a sweep is, from what the tracking store knows of it: pure, for any screen.

rate       lane epochs a second: epochs trained over the time in which something trained
left       lane epochs still to be trained, taking a trial to last as long as those that ended
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sweep.compare.records import TEACHER, SweepRecord, completed
from sweep.plan.plan import Cell, Plan
from sweep.plan.search_end import SearchEnd, trials_wanted
from sweep.referee.states import ENDED
from sweep.status.shortfall import shortfall


@dataclass(frozen=True)
class StageProgress:
    """Runs of a stage that ended, in whatever state, and those planned."""

    done: int
    planned: int


@dataclass(frozen=True)
class CellProgress:
    """Trials of a cell's searches by state; ``best``: the best validation value so far, if any.

    ``asked`` counts all that were ever begun, ``running`` those that train now.
    """

    cell: str
    planned: int
    asked: int
    running: int
    complete: int
    pruned: int
    failed: int
    best: float | None
    confirmed: int


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is.

    ``state``: running, stopped (whoever ran it is gone), complete, incomplete (it ended, and runs
    of it are gone), failed or interrupted. ``metric``: what ``best`` is of, on the validation
    split. ``silent_s``: seconds since a run last began or ended, None before the first. ``notes``:
    what else there is to say, a line each.
    """

    sweep: str
    state: str
    metric: str
    stages: Mapping[str, StageProgress]
    cells: tuple[CellProgress, ...]
    epochs: int
    epochs_left: float
    epochs_per_second: float | None
    silent_s: float | None
    notes: tuple[str, ...] = ()

    @property
    def seconds_left(self) -> float | None:
        """Until all that is planned is trained, at the present rate; None where nobody trains."""
        if self.state != "running" or not self.epochs_per_second:
            return None
        return self.epochs_left / self.epochs_per_second

    def at_rate(self, epochs_per_second: float) -> "SweepProgress":
        """The same, at a rate that was seen more closely."""
        return replace(self, epochs_per_second=epochs_per_second)

    def stopped(self, why: str) -> "SweepProgress":
        """The same of a sweep that nobody runs any more, though nobody closed it."""
        said = f"{self.sweep}: {why}; the same launch goes on from here"
        return replace(self, state="stopped", notes=(*self.notes, said))


def progress_of(plan: Plan, record: SweepRecord, state: str, now: float) -> SweepProgress:
    """How far a sweep is at ``now``, in seconds since 1970, given its runs."""
    trials, budget = record.trials, plan.budget()
    end = record.search_ends.get(record.name)
    planned = {
        "teachers": len(plan.jobs),
        "search": sum(trials_wanted(plan, search.cell, end) for search in plan.searches),
        "shortlist": _shortlist_planned(plan, trials[trials["stage"] == "search"], end),
        "confirm": budget.confirm_runs,
    }
    rows = {
        "teachers": trials[trials["stage"] == TEACHER],
        **{stage: trials[trials["stage"] == stage] for stage in planned if stage != "teachers"},
    }
    stages = {
        stage: StageProgress(int(rows[stage]["state"].isin(ENDED).sum()), planned[stage])
        for stage in planned
        if stage != "shortlist" or budget.shortlist_runs
    }
    lacks = shortfall(plan, trials, end) if state == "complete" else None
    busy = _busy_seconds(trials, now)
    epochs = int(trials["epochs_trained"].sum())
    moments = pd.concat([trials["started"], trials["started"] + trials["wall_s"]]).dropna()
    return SweepProgress(
        sweep=record.name,
        state="incomplete" if lacks and lacks.missing else state,
        metric=record.objective.name,
        stages=stages,
        cells=tuple(_cell(plan, cell, rows, record) for cell in plan.cells),
        epochs=epochs,
        epochs_left=_epochs_left(plan, rows, stages),
        epochs_per_second=epochs / busy if busy else None,
        silent_s=max(0.0, now - float(moments.max())) if len(moments) else None,
        notes=(*record.notices, *(lacks.left_out_in_words(record.name) if lacks else ())),
    )


def _shortlist_planned(plan: Plan, search: pd.DataFrame, end: SearchEnd | None) -> int:
    """Runs of all shortlists: of as many configurations as there are, where that is known."""
    ended = search[search["state"].isin(ENDED)].groupby(["cell", "seed"]).size()
    complete = search[search["state"] == "complete"].groupby(["cell", "seed"])["params"].nunique()
    planned = 0
    for one in plan.searches:
        place, (configurations, streams) = (one.cell.id, one.seed), plan.shortlist_of(one.cell)
        if ended.get(place, 0) >= trials_wanted(plan, one.cell, end):
            configurations = min(configurations, complete.get(place, 0))
        planned += configurations * streams
    return int(planned)


def _cell(
    plan: Plan, cell: Cell, rows: Mapping[str, pd.DataFrame], record: SweepRecord
) -> CellProgress:
    search, confirm = (rows[stage] for stage in ("search", "confirm"))
    search, confirm = search[search["cell"] == cell.id], confirm[confirm["cell"] == cell.id]
    states, end = search["state"].value_counts(), record.search_ends.get(record.name)
    column = record.validation_column
    values = completed(search, column)[column].astype(float)
    best = values.max() if record.objective.direction == "maximize" else values.min()
    return CellProgress(
        cell=cell.id,
        planned=trials_wanted(plan, cell, end) * len(plan.searches_of(cell)),
        asked=len(search),
        running=int(states.get("running", 0)),
        complete=int(states.get("complete", 0)),
        pruned=int(states.get("pruned", 0)),
        failed=int(states.get("failed", 0)),
        best=float(best) if len(values) else None,
        confirmed=int((confirm["state"] == "complete").sum()),
    )


def _busy_seconds(trials: pd.DataFrame, now: float) -> float:
    """The time in which at least one run was under way."""
    begun = trials.dropna(subset=["started"]).sort_values("started")
    ends = (begun["started"] + begun["wall_s"]).fillna(now).to_numpy()
    starts = begun["started"].to_numpy()
    if not len(starts):
        return 0.0
    # What a run adds to the time covered by those that began before it.
    covered = np.maximum.accumulate(np.concatenate(([starts[0]], ends[:-1])))
    return float(np.maximum(0.0, ends - np.maximum(starts, covered)).sum())


def _epochs_left(
    plan: Plan, rows: Mapping[str, pd.DataFrame], stages: Mapping[str, StageProgress]
) -> float:
    """Lane epochs still to be trained in all stages."""
    student = float(plan.spec.student.training.epochs)
    teachers = [job.epochs for job in plan.jobs]
    ended = rows["search"][rows["search"]["state"].isin(("complete", "pruned"))]
    each = {
        "teachers": float(np.mean(teachers)) if teachers else 0.0,
        "search": float(ended["epochs_trained"].mean()) if len(ended) else student,
        "shortlist": student,
        "confirm": student,
    }
    left = 0.0
    for stage, (frame, counts) in {s: (rows[s], stages[s]) for s in stages}.items():
        under_way = frame[~frame["state"].isin(ENDED)]["epochs_trained"].sum()
        left += max(0.0, (counts.planned - counts.done) * each[stage] - float(under_way))
    return left

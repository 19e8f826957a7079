"""How far a sweep is, from what the tracking store knows of it: pure, for any screen.

rate       lane epochs a second: epochs trained over the time in which something trained
left       lane epochs still to be trained, taking a trial to last as long as those that ended; and
           the seconds that cohorts will hold their devices for these, an epoch of a teacher, or of
           a stage of a cell, taking what those did that were trained
at once    how many cohorts trained in the mean, in the time in which something trained
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from sweep.compare.cost import run_s
from sweep.compare.records import TEACHER, SweepRecord, completed
from sweep.plan.plan import Cell, Plan
from sweep.plan.search_end import SearchEnd, trials_wanted
from sweep.referee.states import ENDED
from sweep.status.shortfall import shortfall

# Seconds between two cohorts that are part of training: a process asks for the next one.
BETWEEN_S = 5.0


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
    split. ``held_s``: seconds that cohorts have trained, added up; ``held_s_left``: those that they
    will yet, None before a student has trained. ``at_once``: how many cohorts train, None before
    the first. ``silent_s``: seconds since a run last began or ended, None before the first.
    ``notes``: what else there is to say, a line each.
    """

    sweep: str
    state: str
    metric: str
    stages: Mapping[str, StageProgress]
    cells: tuple[CellProgress, ...]
    epochs: int
    epochs_left: float
    epochs_per_second: float | None
    held_s: float
    held_s_left: float | None
    at_once: float | None
    silent_s: float | None
    notes: tuple[str, ...] = ()

    @property
    def seconds_left(self) -> float | None:
        """Until all that is planned is trained; None where nobody trains, or it is not known."""
        if self.state != "running" or self.held_s_left is None or not self.at_once:
            return None
        return self.held_s_left / self.at_once

    def at_rate(self, epochs_per_second: float, at_once: float) -> "SweepProgress":
        """The same, at a rate that was seen more closely, as was how many cohorts train at once."""
        return replace(self, epochs_per_second=epochs_per_second, at_once=at_once)

    def stopped(self, why: str) -> "SweepProgress":
        """The same of a sweep that nobody runs any more, though nobody closed it."""
        said = f"{self.sweep}: {why}; the same launch goes on from here"
        return replace(self, state="stopped", notes=(*self.notes, said))


def progress_of(plan: Plan, record: SweepRecord, state: str, now: float) -> SweepProgress:
    """How far a sweep is at ``now``, in seconds since 1970, given its runs."""
    trials, budget = record.trials, plan.budget()
    end = record.search_ends.get(record.name)
    shortlist = _shortlist_planned(plan, trials[trials["stage"] == "search"], end)
    planned = {
        "teachers": len(plan.jobs),
        "search": sum(trials_wanted(plan, search.cell, end) for search in plan.searches),
        "shortlist": sum(shortlist.values()),
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
    trained = _trained(trials, now)
    busy = _busy_seconds(trained)
    epochs = int(trials["epochs_trained"].sum())
    left = _epochs_left(plan, trials, shortlist, end)
    held_s = float(trained["held_s"].sum())
    moments = pd.concat([trials["started"], trials["started"] + trials["wall_s"]]).dropna()
    return SweepProgress(
        sweep=record.name,
        state="incomplete" if lacks and lacks.missing else state,
        metric=record.objective.name,
        stages=stages,
        cells=tuple(_cell(plan, cell, rows, record) for cell in plan.cells),
        epochs=epochs,
        epochs_left=sum(left.values()),
        epochs_per_second=epochs / busy if busy else None,
        held_s=held_s,
        held_s_left=_held_s_left(trained, left),
        at_once=held_s / busy if busy else None,
        silent_s=max(0.0, now - float(moments.max())) if len(moments) else None,
        notes=(*record.notices, *(lacks.left_out_in_words(record.name) if lacks else ())),
    )


def _shortlist_planned(plan: Plan, search: pd.DataFrame, end: SearchEnd | None) -> Counter[str]:
    """Runs of all shortlists by cell: of as many configurations as there are, where that is
    known."""
    ended = search[search["state"].isin(ENDED)].groupby(["cell", "seed"]).size()
    complete = search[search["state"] == "complete"].groupby(["cell", "seed"])["params"].nunique()
    planned: Counter[str] = Counter()
    for one in plan.searches:
        place, (configurations, streams) = (one.cell.id, one.seed), plan.shortlist_of(one.cell)
        if ended.get(place, 0) >= trials_wanted(plan, one.cell, end):
            configurations = min(configurations, complete.get(place, 0))
        planned[one.cell.id] += int(configurations * streams)
    return planned


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


def _trained(trials: pd.DataFrame, now: float) -> pd.DataFrame:
    """The runs of which an epoch was trained, with their ``end``, ``now`` for those under way, and
    their share of the seconds that their cohort held, ``held_s``."""
    begun = trials[trials["epochs_trained"] > 0].dropna(subset=["started"])
    so_far = (now - begun["started"]).clip(lower=0.0)
    begun = begun.assign(wall_s=begun["wall_s"].fillna(so_far))
    return begun.assign(end=begun["started"] + begun["wall_s"], held_s=run_s(begun))


def _busy_seconds(trained: pd.DataFrame) -> float:
    """The time in which at least one run was under way, or the next was about to be."""
    begun = trained.sort_values("started")
    starts, ends = begun["started"].to_numpy(), begun["end"].to_numpy()
    if not len(starts):
        return 0.0
    # What a run adds to the time covered by those that began before it.
    covered = np.maximum.accumulate(np.concatenate(([starts[0]], ends[:-1])))
    begins = np.where(starts - covered > BETWEEN_S, starts, covered)
    return float(np.maximum(0.0, ends - begins).sum())


def _epochs_left(
    plan: Plan, trials: pd.DataFrame, shortlist: Mapping[str, int], end: SearchEnd | None
) -> dict[tuple[str, str], float]:
    """Lane epochs still to be trained, by stage and cell; teachers have no cell."""
    places = [trials["stage"], trials["cell"]]
    over = trials["state"].isin(ENDED)
    done = over.groupby(places).sum()
    under_way = trials["epochs_trained"].where(~over, 0).groupby(places).sum()
    told = trials[trials["state"].isin(("complete", "pruned")) & (trials["stage"] == "search")]
    by_cell = told.groupby("cell")["epochs_trained"].mean()
    teachers = [job.epochs for job in plan.jobs]
    wanted = {(TEACHER, ""): (len(teachers), float(np.mean(teachers)) if teachers else 0.0)}
    for cell in plan.cells:
        student = float(cell.spec.student_training().all_epochs)
        in_search = told["epochs_trained"].mean() if len(told) else student
        trials_of_cell = trials_wanted(plan, cell, end) * len(plan.searches_of(cell))
        wanted["search", cell.id] = trials_of_cell, float(by_cell.get(cell.id, in_search))
        wanted["shortlist", cell.id] = shortlist.get(cell.id, 0), student
        wanted["confirm", cell.id] = len(plan.confirm_seeds), student
    return {
        place: max(0.0, (runs - done.get(place, 0)) * epochs - float(under_way.get(place, 0)))
        for place, (runs, epochs) in wanted.items()
    }


def _held_s_left(trained: pd.DataFrame, left: Mapping[tuple[str, str], float]) -> float | None:
    """Seconds that cohorts will hold for the epochs that are left, by stage and cell.

    Where none of a cell was trained in a stage, an epoch takes what it took in the cell's other
    stages, or else with other students; None before there was any.
    """
    taken: dict[tuple[str, ...], tuple[float, float]] = {}
    sums = trained.groupby(["stage", "cell"])[["held_s", "epochs_trained"]].sum()
    for (stage, cell), held_s, epochs in sums.itertuples():
        for kind in _kinds(stage, cell):
            before = taken.get(kind, (0.0, 0.0))
            taken[kind] = before[0] + held_s, before[1] + epochs
    seconds = 0.0
    for (stage, cell), epochs in left.items():
        known = next((taken[kind] for kind in _kinds(stage, cell) if kind in taken), None)
        if known is None and epochs:
            return None
        seconds += epochs * known[0] / known[1] if known else 0.0
    return seconds


def _kinds(stage: str, cell: str) -> tuple[tuple[str, ...], ...]:
    """Of what kinds an epoch is, the narrowest first."""
    return ((TEACHER,),) if stage == TEACHER else ((stage, cell), ("", cell), ("student",))

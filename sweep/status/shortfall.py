"""What a sweep that came to its end lacks: planned runs that its store does not have, and why.

*missing*: they were there, or would have been trained; somebody deleted them.
*left out*: they could not be trained, since no trial of their cell completed or a teacher failed.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from sweep.compare.records import TEACHER
from sweep.plan.plan import CellSearch, Plan
from sweep.plan.search_end import SearchEnd, trials_wanted
from sweep.referee.states import ENDED

RESTORE = "restore them there, or launch the sweep again to have them made again"
# What a teacher was trained on: seed, kind of noise, rate.
_Labels = tuple[int, str, float]


@dataclass(frozen=True)
class Shortfall:
    """Runs by stage; a stage that has all of them is not there."""

    missing: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)

    def missing_in_words(self, sweep: str, remedy: str = RESTORE) -> list[str]:
        """A line on runs that are gone, if any are."""
        if not self.missing:
            return []
        return [f"{sweep}: the tracking store has lost {_counted(self.missing)}; {remedy}"]

    def left_out_in_words(self, sweep: str) -> list[str]:
        """A line on runs that could not be trained, if there are any."""
        if not self.left_out:
            return []
        return [
            f"{sweep}: left out {_counted(self.left_out)}: no trial of their cell completed, or a "
            "teacher failed"
        ]


def _counted(runs: Mapping[str, int]) -> str:
    """``6 confirm runs, 1 search run``, say."""
    return ", ".join(f"{n} {stage} run{'s' if n > 1 else ''}" for stage, n in runs.items())


def shortfall(plan: Plan, trials: pd.DataFrame, search_end: SearchEnd | None = None) -> Shortfall:
    """What a sweep lacks that is over, by its runs as in `sweep.compare.records`.

    ``search_end``: where a limit of time ended its searches; what that left out is not lacking.
    """
    ended = trials[trials["state"].isin(ENDED)]
    teachers = ended[ended["stage"] == TEACHER]
    failed = _labels_of(teachers[teachers["state"] == "failed"])
    found = _Found()
    if not failed:
        found.missing["teacher"] = len(plan.jobs) - len(teachers)
    by_cell = dict(iter(ended.groupby(["stage", "cell"])))
    for search in plan.searches:
        rows = {
            stage: by_cell.get((stage, search.cell.id), ended.iloc[:0])
            for stage in ("search", "shortlist", "confirm")
        }
        asked = trials_wanted(plan, search.cell, search_end)
        found.add(plan, search, asked, rows, failed)
    # Without the stages that lack nothing.
    return Shortfall(dict(+found.missing), dict(+found.left_out))


@dataclass
class _Found:
    """Counts that grow search by search."""

    missing: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        plan: Plan,
        search: CellSearch,
        asked: int,
        rows: Mapping[str, pd.DataFrame],
        failed: Collection[_Labels],
    ) -> None:
        """What one search of ``asked`` trials lacks, by the ended runs of its cell."""
        cell = search.cell
        tried, again = (rows[s][rows[s]["seed"] == search.seed] for s in ("search", "shortlist"))
        if asked > len(tried):
            no_teacher = _lacks_teacher(plan, search, search.seed, failed)
            counts = self.left_out if no_teacher else self.missing
            counts["search"] += asked - len(tried)
            counts["confirm"] += len(set(search.confirmed) - set(rows["confirm"]["seed"]))
            return
        complete = tried[tried["state"] == "complete"]["params"].nunique()
        configurations, streams = plan.shortlist_of(cell)
        shortlisted = min(configurations, complete) * streams
        self.left_out["shortlist"] += configurations * streams - shortlisted
        self.missing["shortlist"] += max(0, shortlisted - len(again))
        is_chosen = not cell.space or bool(complete)
        if shortlisted and len(again) >= shortlisted:
            done = again[again["state"] == "complete"].groupby("trial").size()
            is_chosen = bool((done >= streams).any())
        for seed in set(search.confirmed) - set(rows["confirm"]["seed"]):
            could = is_chosen and not _lacks_teacher(plan, search, seed, failed)
            (self.missing if could else self.left_out)["confirm"] += 1


def _labels_of(teachers: pd.DataFrame) -> set[_Labels]:
    columns = (teachers[name] for name in ("seed", "noise_kind", "noise_rate"))
    return {(int(s), str(k), float(r)) for s, k, r in zip(*columns, strict=True)}


def _lacks_teacher(plan: Plan, search: CellSearch, seed: int, failed: Collection[_Labels]) -> bool:
    """Whether a teacher that a cell needs under a seed failed."""
    if not failed:
        return False
    return any(
        (job.seed, job.labels.noise_kind, job.labels.noise_rate) in failed
        for job in plan.jobs_of(search.cell, seed)
    )

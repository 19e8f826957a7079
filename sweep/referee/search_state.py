"""How far one search of a cell has come, and what of it trains next: trials, shortlist, confirm.

Each of the three waits for the one before. What is confirmed follows from the trials and the
shortlist alone, whatever the order in which they ended. What could train now is an `Offer`, which
changes nothing until it is taken up.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from sweep.plan.choice import Candidate, best_first, best_mean
from sweep.plan.plan import Cell, CellSearch, Plan
from sweep.plan.search_end import SearchEnd, trials_wanted
from sweep.plan.tasks import (
    NO_TRIAL,
    CohortTask,
    Stage,
    confirm_cohort,
    confirm_run,
    search_cohort,
    shortlist_cohort,
    shortlist_run,
    trial_run,
)
from sweep.referee.states import ENDED
from sweep.referee.stores import EndedRun, Outcome, PastTrial, Studies
from trainers.fields import Value

T = TypeVar("T")
# A run that is to be trained: the trial whose configuration it has, and its seed or stream.
_Run = tuple[int, int]


@dataclass
class _Shortlist:
    """Configurations that are tried again, from the best on, their runs that are to be handed out,
    and what the others brought, by run's key: None where it failed."""

    candidates: Sequence[Candidate]
    left: list[_Run]
    values: dict[str, float | None]


@dataclass(frozen=True)
class Offer:
    """Lanes of one search that could train now, side by side.

    ``saved``: the keys of the checkpoint that they go on from, where there is one.
    """

    state: "SearchState"
    stage: Stage
    lanes: int
    saved: frozenset[str] | None

    def task(self) -> CohortTask:
        """Take them: they are handed out from now on."""
        match self.stage:
            case "search":
                return self.state.next_trials()
            case "shortlist":
                return self.state.next_shortlist()
            case _:
                return self.state.next_confirm()


@dataclass
class SearchState:
    """One search, as the studies and the ended runs leave it when a launch begins.

    ``begun``: keys of runs that were saved together while they trained. ``flying``: whether trials
    of it train; ``end``: where searches were ended before their trials were over.
    """

    plan: Plan
    search: CellSearch
    studies: Studies
    runs: Mapping[str, EndedRun]
    begun: Sequence[frozenset[str]]
    end: SearchEnd | None = None
    asked: int = 0
    flying: bool = False
    unfinished: dict[int, Mapping[str, Value]] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    confirm_done: int = 0
    _shortlist: _Shortlist | None = None
    _chosen: Candidate | None = None
    _confirm_left: list[int] | None = None
    _ready: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for trial in self.studies.history(self.search.id) if self.cell.space else ():
            self.asked += 1
            if trial.state in ENDED:
                self.ended[trial.state] += 1
            else:
                self.unfinished[trial.number] = trial.params

    def unrecorded(self) -> dict[int, PastTrial]:
        """Trials that are over by their study, and whose runs the tracking store does not have as
        ended: deleted there, or lost with a machine that lost power."""
        return {
            trial.number: trial
            for trial in (self.studies.history(self.search.id) if self.cell.space else ())
            if trial.state in ENDED and trial_run(self.search.id, trial.number) not in self.runs
        }

    @property
    def cell(self) -> Cell:
        """Whose search it is."""
        return self.search.cell

    @property
    def may_search(self) -> bool:
        """Whether trials are to be handed out."""
        return not self.flying and (bool(self.unfinished) or self.asked < self.trials)

    @property
    def handed_out(self) -> int:
        """How many of its trials have been asked for and need not be handed out again."""
        return self.asked - len(self.unfinished)

    @property
    def shortlist_planned(self) -> int:
        """Runs of the shortlist: of as many configurations as there are, once that is known."""
        configurations, streams = self.plan.shortlist_of(self.cell)
        if self._shortlist is not None:
            configurations = len(self._shortlist.candidates)
        return configurations * streams

    @property
    def shortlist_done(self) -> int:
        """Runs of the shortlist that ended."""
        return len(self._shortlist.values) if self._shortlist else 0

    @property
    def trials(self) -> int:
        """How many trials it comes to."""
        return trials_wanted(self.plan, self.cell, self.end)

    @property
    def _maximize(self) -> bool:
        return self.plan.spec.objective_metric.direction == "maximize"

    @property
    def _new_trials(self) -> int:
        """How many trials are asked for next: what a generation that was begun lacks, or one."""
        size = self.plan.generation
        room = size - self.asked % size if self.asked % size or not self.unfinished else 0
        return max(0, min(room, self.trials - self.asked))

    def next_trials(self) -> CohortTask:
        """The next generation, or what is left of one that was broken off."""
        size, count = self.plan.generation, self._new_trials
        trials = dict(self.unfinished)
        if count > 0:
            trials.update(self.studies.ask(self.search.id, count))
            self.asked += count
        self.unfinished = {}
        self.flying = True
        return search_cohort(self.plan, self.search, trials, (self.asked - 1) // size)

    def offer(self, at_hand: Callable[[Cell, int], bool]) -> Offer | None:
        """What of it could train now; of each stage only where those before it are over.

        ``at_hand``: whether the teachers of a cell are there under a seed.
        """
        if self.may_search:
            if not at_hand(self.cell, self.search.seed):
                return None
            lanes = len(self.unfinished) + self._new_trials
            broken_off = next(iter(self.unfinished), NO_TRIAL)
            return Offer(
                self, "search", lanes, self._saved_with(trial_run(self.search.id, broken_off))
            )
        if self.flying:
            return None
        if self._shortlist is None:
            self._shortlist = self._shortlisted()
        stage: Stage = "shortlist"
        if self.shortlist_done < self.shortlist_planned:
            keys = [shortlist_run(self.search.id, *run) for run in self._ready_shortlist()]
        else:
            stage, keys = "confirm", [self._confirm_key(s) for s in self._ready_confirm(at_hand)]
        return Offer(self, stage, len(keys), self._saved_with(keys[0])) if keys else None

    def shortlist_ended(self, key: str, value: float | None) -> None:
        """A run of the shortlist is over; ``value``: None where it failed."""
        assert self._shortlist is not None
        self._shortlist.values[key] = value

    def waiting(self) -> list[Outcome]:
        """Trials that were recalled from an earlier launch and not handed out again in this one."""
        return [Outcome(number, "interrupted") for number in self.unfinished]

    def _shortlisted(self) -> _Shortlist:
        """The best configurations, with what earlier launches know of them.

        Runs of an earlier shortlist, as before an extension of the search, are left behind.
        """
        configurations, streams = self.plan.shortlist_of(self.cell)
        candidates = self._candidates()[:configurations]
        runs = [(c.number, s) for s in range(1, streams + 1) for c in candidates]
        ended = {run: self.runs.get(shortlist_run(self.search.id, *run)) for run in runs}
        values = {
            shortlist_run(self.search.id, *run): known.value if known.state == "complete" else None
            for run, known in ended.items()
            if known
        }
        return _Shortlist(candidates, [run for run in runs if not ended[run]], values)

    def next_shortlist(self) -> CohortTask:
        """The next runs of the shortlist."""
        assert self._shortlist is not None
        params = {c.number: c.params for c in self._shortlist.candidates}
        runs = self._ready_shortlist()
        self._shortlist.left = [run for run in self._shortlist.left if run not in runs]
        return shortlist_cohort(
            self.plan, self.search, [(trial, params[trial], stream) for trial, stream in runs]
        )

    def next_confirm(self) -> CohortTask:
        """Confirm runs of the configuration that was chosen; of an earlier one they are left."""
        assert self._confirm_left is not None
        assert self._chosen is not None
        seeds, self._ready = self._ready, ()
        self._confirm_left = [seed for seed in self._confirm_left if seed not in seeds]
        chosen = self._chosen
        return confirm_cohort(self.plan, self.search, chosen.number, chosen.params, seeds)

    def _ready_shortlist(self) -> list[_Run]:
        assert self._shortlist is not None
        return self._together(self._shortlist.left, lambda run: shortlist_run(self.search.id, *run))

    def _ready_confirm(self, at_hand: Callable[[Cell, int], bool]) -> tuple[int, ...]:
        """The seeds that are confirmed next, of those whose teachers are there."""
        if self._confirm_left is None:
            self._chosen = self._choose()
            seeds = self.search.confirmed if self._chosen else ()
            self._confirm_left = [s for s in seeds if self._confirm_key(s) not in self.runs]
            self.confirm_done = len(seeds) - len(self._confirm_left)
        ready = [seed for seed in self._confirm_left if at_hand(self.cell, seed)]
        self._ready = tuple(self._together(ready, self._confirm_key))
        return self._ready

    def _saved_with(self, key: str) -> frozenset[str] | None:
        """The keys of the checkpoint that a run stands in."""
        return next((begun for begun in self.begun if key in begun), None)

    def _together(self, runs: list[T], key: Callable[[T], str]) -> list[T]:
        """Those that train in one cohort: of one checkpoint, if there is one for some of them.

        Teachers that were not there when runs began may be there now, and more runs with them.
        """
        for begun in self.begun:
            together = [run for run in runs if key(run) in begun]
            if together:
                runs = together
                break
        return runs[: self.plan.confirm_lanes_of(self.cell)]

    def _candidates(self) -> list[Candidate]:
        complete = [
            Candidate(trial.number, trial.params, trial.value)
            for trial in (self.studies.history(self.search.id) if self.cell.space else ())
            if trial.state == "complete" and trial.value is not None
        ]
        return best_first(complete, self._maximize)

    def _choose(self) -> Candidate | None:
        """The configuration to confirm, if there is one."""
        if not self.cell.space:
            return Candidate(NO_TRIAL, {}, math.nan)
        assert self._shortlist is not None
        if not self.shortlist_planned:
            return next(iter(self._candidates()), None)
        values = {
            c.number: self._streams_of(c.number, self._shortlist.values)
            for c in self._shortlist.candidates
        }
        best = best_mean(values, self._maximize)
        return next((c for c in self._shortlist.candidates if c.number == best), None)

    def _streams_of(self, trial: int, values: Mapping[str, float | None]) -> list[float | None]:
        _, streams = self.plan.shortlist_of(self.cell)
        keys = (shortlist_run(self.search.id, trial, s) for s in range(1, streams + 1))
        return [values[key] for key in keys]

    def _confirm_key(self, seed: int) -> str:
        assert self._chosen is not None
        return confirm_run(self.search.id, self._chosen.number, seed)

"""The referee: what trains next, which lanes go on, and what is written down.

One object owns the state of a sweep. Whatever trains cohorts asks it for work (`next_cohort`),
reports every epoch (`report`), and hands in what came out (`finish`, `failed`, `lost`). It knows
Optuna and the tracking store only as `Studies` and `Tracker`.

Order: teachers first, and warm starts with them, those of the search before those of confirm; then,
of all searches whose teachers are there, the one furthest behind; the shortlist of a search as
soon as its trials are over, then its confirm runs. Searches whose lanes train alike share cohorts
(`sweep.referee.filling`). Which cohort finishes first, and what shares it, changes that order,
never what a search is asked, prunes or chooses.
"""

import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from sweep.errors import last_line
from sweep.plan.plan import Cell, Plan
from sweep.plan.search_end import SearchEnd
from sweep.plan.tasks import (
    NO_TRIAL,
    CohortTask,
    LaneOutcome,
    LaneTask,
    search_cohort,
    teacher_cohort,
    teacher_run,
    together,
    trial_run,
)
from sweep.plan.teacher_jobs import TeacherJob
from sweep.referee.filling import Filling
from sweep.referee.search_state import SearchState
from sweep.referee.states import ENDED, State
from sweep.referee.stores import EndedRun, Metrics, Outcome, Studies, Tracker
from sweep.referee.time_limit import TimeLimit

# Ends the id of a cohort whose process was lost, once for each.
AGAIN = "~"


@dataclass
class Progress:
    """Counts for a screen: lanes done and planned per stage, ended trials by state, epochs.

    ``failed_teachers``: which failed, and why, in words.
    ``search_end``: where searches ended for want of time.
    """

    done: dict[str, int]
    planned: dict[str, int]
    states: dict[str, int]
    lane_epochs: int
    flying: tuple[str, ...]
    failed_teachers: tuple[str, ...] = ()
    search_end: SearchEnd | None = None


@dataclass
class _Flight:
    """A cohort that is being trained, and its lanes that still are, by key.

    ``waits``: its process was lost, and it is to be trained again.
    """

    task: CohortTask
    live: dict[str, LaneTask]
    epochs: int = 0
    losses: int = 0
    waits: bool = False

    @property
    def searches(self) -> set[str]:
        """The names of the searches of which lanes still train."""
        return {lane.search for lane in self.live.values()}


class Referee:
    """The state of a sweep that runs."""

    def __init__(  # noqa: PLR0913, PLR0917 - the stores, what is in them, and the time there is
        self,
        plan: Plan,
        studies: Studies,
        tracker: Tracker,
        teachers: Iterable[str] = (),
        ended: Mapping[str, EndedRun] | None = None,
        begun: Iterable[frozenset[str]] = (),
        limit: TimeLimit | None = None,
        measured: Mapping[str, Metrics] | None = None,
    ) -> None:
        """``teachers``: keys of those at hand; ``ended``: runs on record as over, by key.

        ``begun``: keys of runs that were saved together while they trained, for each checkpoint.
        ``limit``: of the time for searches. ``measured``: what teachers at hand reached, by key.
        """
        self._plan = plan
        self._studies = studies
        self._tracker = tracker
        names = {name for job in plan.jobs for name in job.names}
        self._teachers = names & set(teachers)
        self._flights: dict[str, _Flight] = {}
        self._lane_epochs = 0
        self._failed_teachers: dict[str, str] = {}
        self._limit = limit or TimeLimit()
        self._filling = Filling(plan)
        self._teacher_cohorts = deque(
            missing
            for jobs in plan.teacher_cohorts
            if (missing := tuple(job for job in jobs if not self._has(job)))
        )
        for job in plan.jobs:
            if self._has(job):
                reached = (measured or {}).get(job.key, {})
                tracker.reuse(teacher_cohort((job,)), _as_best(reached))
        runs, self._begun = ended or {}, tuple(begun)
        self._searches = {
            search.id: SearchState(plan, search, studies, runs, self._begun, self._limit.end)
            for search in plan.searches
        }
        self.recovered = sum(self._recover(state) for state in self._searches.values())

    def _recover(self, state: SearchState) -> int:
        """Have trials on record again that their study alone knows; how many."""
        trials, search = state.unrecorded(), state.search
        if trials:
            values = {number: trial.params for number, trial in trials.items()}
            by_key = {trial_run(search.id, number): trial for number, trial in trials.items()}
            self._tracker.recover(search_cohort(self._plan, search, values, 0), by_key)
        return len(trials)

    @property
    def flying(self) -> set[str]:
        """The keys of all lanes that train or are to be trained again."""
        return {key for flight in self._flights.values() for key in flight.live}

    def trains(self, cohort: str) -> bool:
        """Whether a cohort is in flight."""
        return cohort in self._flights

    def next_cohort(self, slots: int = 1) -> CohortTask | Literal["wait", "done"]:
        """A cohort to train now, or word that there is none yet, or none any more.

        ``slots``: how many cohorts can train at once, none of which should be left without.
        """
        for flight in self._flights.values():
            if flight.waits:
                flight.waits = False
                lanes = tuple(lane for lane in flight.task.lanes if lane.key in flight.live)
                return replace(flight.task, lanes=lanes)
        task = self._choose(slots)
        if task is None:
            return "wait" if self._flights else "done"
        self._flights[task.id] = _Flight(task, _by_key(task.lanes))
        if task.stage == "search":
            self._limit.begin()
        self._tracker.open(task)
        return task

    def begin(self, cohort: str) -> None:
        """A process has taken a cohort, which may have waited for one, and trains it."""
        if flight := self._flights.get(cohort):
            self._tracker.begin(flight.live)

    def judged_from(self, cohort: str) -> float:
        """The first epoch of a cohort that is to train after which a lane may be stopped.

        Lanes that diverge are stopped after any. Infinity: all others go on to the end.
        """
        flight = self._flights.get(cohort)
        if flight is None:
            return 1.0
        if flight.task.stage != "search":
            return math.inf
        return min(self._studies.judged_from(search) for search in flight.task.searches)

    def report(
        self, cohort: str, epoch: int, keys: Sequence[str], rows: Sequence[Metrics]
    ) -> list[bool]:
        """Metrics of every lane after an epoch; which lanes go on.

        All lanes are reported to the study before any of them is judged. A cohort that is not in
        flight any more, as after an interrupt, is told to stop, and so is a lane that is not; what
        they report does not count.
        """
        flight = self._flights.get(cohort)
        if flight is None:
            return [False] * len(keys)
        flight.epochs = epoch
        metric = f"validation_{self._plan.spec.objective.metric}"
        ends: dict[str, Outcome] = {}
        values: defaultdict[str, dict[int, float]] = defaultdict(dict)
        by_key = {k: row for k, row in zip(keys, rows, strict=True) if k in flight.live}
        self._lane_epochs += len(by_key)
        self._tracker.log(epoch, by_key)
        for key, row in by_key.items():
            lane = flight.live[key]
            bad = [f"{name} is {value}" for name, value in diverged(row, metric)]
            if bad:
                reason = f"diverged in epoch {epoch}: {', '.join(bad)}"
                ends[key] = Outcome(_number(lane), "failed", reason=reason)
            elif metric in row:
                values[lane.search][_number(lane)] = row[metric]
        if flight.task.stage == "search":
            for study in sorted(flight.searches):
                self._studies.report(study, epoch, values[study])
            over = epoch == flight.task.spec.training.all_epochs
            # Where nothing was evaluated there is nothing to judge by.
            for study, reported in () if over else values.items():
                for number in self._studies.judge(study, epoch, list(reported)):
                    ends[trial_run(study, number)] = Outcome(number, "pruned")
        self._end(flight, ends)
        return [key in flight.live for key in keys]

    def finish(
        self, cohort: str, outcomes: Mapping[str, LaneOutcome], teachers: Iterable[str] = ()
    ) -> None:
        """A cohort trained to its end; ``teachers``: keys of those that it leaves."""
        flight = self._flights.get(cohort)
        if flight is None:
            return
        metric = f"validation_{self._plan.spec.objective.metric}"
        ends = {
            key: Outcome(_number(lane), "complete", outcomes[key].best[metric])
            for key, lane in flight.live.items()
        }
        self._end(flight, ends, outcomes)
        self._teachers |= set(teachers)
        self._land(flight)

    def failed(self, cohort: str, reason: str) -> None:
        """A cohort cannot be trained. One lane has failed; of several, each half is tried again.

        So the lane that is to blame is found, and the others finish as if it had never been there.
        Of several searches, each half has whole ones: a generation that is not to blame stays
        together.
        """
        flight = self._flights.get(cohort)
        if flight is None:
            return
        lanes = tuple(lane for lane in flight.task.lanes if lane.key in flight.live)
        if len(lanes) <= 1:
            self._give_up(flight, reason)
            return
        del self._flights[cohort]
        for place, half in enumerate(_halves(lanes)):
            task = replace(flight.task, id=f"{cohort}.{place}", lanes=half)
            self._flights[task.id] = _Flight(task, _by_key(half), waits=True)

    def lost(self, cohort: str) -> None:
        """A cohort's process is gone: it is trained again, or after some times is `failed`.

        Again under another id. A process that was given up may come to life once more, as one does
        that was cut off or stood still; what it then reports must not be mixed with what the
        cohort reports that is trained in its place.
        """
        flight = self._flights.pop(cohort, None)
        if flight is None:
            return
        flight.losses += 1
        flight.waits = True
        flight.task = replace(flight.task, id=f"{cohort}{AGAIN}")
        self._flights[flight.task.id] = flight
        if flight.losses > self._plan.spec.resources.retries:
            self.failed(flight.task.id, f"its process was lost {flight.losses} times")

    def silent(self, cohort: str, seconds: float) -> None:
        """A cohort finished no epoch for too long, which is taken as `failed`."""
        self.failed(cohort, f"finished no epoch for {seconds:g} s")

    def overdue(self, cohort: str, seconds: float) -> None:
        """A cohort trains for longer than its trials may: they have failed."""
        if flight := self._flights.get(cohort):
            self._give_up(flight, f"took longer than resources.trial_timeout_s, {seconds:g} s")

    def interrupt(self) -> None:
        """Give up all that is in flight, marked so that it is taken up again."""
        for flight in self._flights.values():
            self._end(flight, _all(flight, "interrupted"))
        self._flights.clear()
        for state in self._searches.values():
            if waiting := state.waiting():
                self._studies.tell(state.search.id, waiting)

    def progress(self) -> Progress:
        """How far the sweep has come."""
        budget = self._plan.budget()
        states: Counter[str] = Counter()
        searches = self._searches.values()
        for state in searches:
            states.update(state.ended)
        failed = self._failed_teachers
        done = {
            "teachers": sum(self._has(job) for job in self._plan.jobs) + len(failed),
            "search": sum(states.values()),
            "shortlist": sum(state.shortlist_done for state in searches),
            "confirm": sum(state.confirm_done for state in searches),
        }
        planned = {
            "teachers": len(self._plan.jobs),
            "search": sum(state.trials for state in searches),
            "shortlist": sum(state.shortlist_planned for state in searches),
            "confirm": budget.confirm_runs,
        }
        flying = tuple(self._flights)
        failures, end = tuple(failed.values()), self._limit.end
        return Progress(done, planned, dict(states), self._lane_epochs, flying, failures, end)

    def _choose(self, slots: int) -> CohortTask | None:
        if jobs := self._next_teachers(slots):
            return teacher_cohort(jobs)
        self._end_searches_in_time()
        level = self._level()
        states = self._searches.values()
        offers = [offer for state in states if (offer := state.offer(self._at_hand))]
        trials = [o for o in offers if o.stage == "search" and o.state.handed_out <= level]
        # The search that is furthest behind, of those that may go on.
        trials.sort(key=lambda offer: offer.state.handed_out)
        others = [offer for offer in offers if offer.stage != "search"]
        if not (ready := trials + others):
            return None
        shared = self._filling.alike(ready[0], ready, len(self.flying), slots)
        return together([offer.task() for offer in shared])

    def _next_teachers(self, slots: int) -> tuple[TeacherJob, ...]:
        """Teachers that train side by side, no more than one process's share of all that are to
        come, and of one checkpoint if some go on from one; none where those before them are still
        to come."""
        waiting = sum(map(len, self._teacher_cohorts))
        share = math.ceil((waiting + len(self.flying)) / slots)
        for place, jobs in enumerate(self._teacher_cohorts):
            if all(not job.parent or job.parent in self._teachers for job in jobs):
                saved = [self._saved_with(job) for job in jobs]
                alike = [job for job, with_ in zip(jobs, saved, strict=True) if with_ == saved[0]]
                taken = tuple(alike[:share])
                self._teacher_cohorts.remove(jobs)
                if left := tuple(job for job in jobs if job not in taken):
                    self._teacher_cohorts.insert(place, left)
                return taken
        return ()

    def _saved_with(self, job: TeacherJob) -> frozenset[str] | None:
        """The keys of the checkpoint that a teacher stands in."""
        return next((keys for keys in self._begun if teacher_run(job) in keys), None)

    def _end_searches_in_time(self) -> None:
        """Where time is over, have every search come to as many trials as the furthest one has.

        That is on record before anything follows from it. Each has a generation at least, so that
        there is something to confirm.
        """
        over = self._limit.over()
        if over is None:
            return
        searches, planned = self._searches.values(), self._plan.spec.search.trials
        trials = max(self._plan.generation, *(state.asked for state in searches))
        if trials < planned:
            self._limit.end = SearchEnd(trials, planned, *over)
            self._tracker.end_searches(self._limit.end)
            for state in searches:
                state.end = self._limit.end

    def _level(self) -> float:
        """How many trials a search may have been given to be given more.

        Where time may end them, none begins a generation before all have begun the one before: it
        could not be taken back. Those whose teachers are still to come are waited for.
        """
        if not self._limit.is_set:
            return math.inf
        behind = (
            state.handed_out
            for state in self._searches.values()
            if state.handed_out < state.trials and self._may_come(state.cell, state.search.seed)
        )
        return min(behind, default=math.inf)

    def _may_come(self, cell: Cell, seed: int) -> bool:
        """Whether no teacher of a cell has failed."""
        return all(job.key not in self._failed_teachers for job in self._plan.jobs_of(cell, seed))

    def _at_hand(self, cell: Cell, seed: int) -> bool:
        return all(self._has(job) for job in self._plan.needed_by(cell, seed))

    def _has(self, job: TeacherJob) -> bool:
        return all(name in self._teachers for name in job.names)

    def _end(
        self,
        flight: _Flight,
        ends: Mapping[str, Outcome],
        outcomes: Mapping[str, LaneOutcome] | None = None,
    ) -> None:
        """Write down lanes that end, in the study last.

        A trial whose end its study does not know is trained again and closed once more; one that
        its study knows as ended is never touched again.
        """
        of_search: defaultdict[str, list[Outcome]] = defaultdict(list)
        for key, end in ends.items():
            outcome = outcomes[key] if outcomes else None
            metrics = _closing_metrics(outcome, flight.epochs)
            if outcome and flight.task.stage == "confirm":
                self._tracker.attach(flight.task, key, outcome)
            self._tracker.close(key, end.state, metrics, end.reason)
            search = flight.live.pop(key).search
            if flight.task.stage == "search":
                of_search[search].append(end)
            if flight.task.stage == "confirm" and end.state in ENDED:
                self._searches[search].confirm_done += 1
            if flight.task.stage == "shortlist" and end.state in ENDED:
                self._searches[search].shortlist_ended(key, end.value)
            if flight.task.stage == "teacher" and end.state == "failed":
                self._fail_teacher(key.rsplit("/", 1)[1], end.reason)
        for search, outcomes_of_search in of_search.items():
            self._studies.tell(search, outcomes_of_search)
            self._searches[search].ended.update(
                end.state for end in outcomes_of_search if end.state in ENDED
            )

    def _fail_teacher(self, key: str, reason: str) -> None:
        """A teacher failed, and with it the generations that would have learned from it."""
        job = next(job for job in self._plan.jobs if job.key == key)
        self._failed_teachers[key] = f"{job.role} {job}: {last_line(reason)}"
        heirs = [job for jobs in self._teacher_cohorts for job in jobs if job.parent == key]
        left = [tuple(j for j in jobs if j not in heirs) for jobs in self._teacher_cohorts]
        self._teacher_cohorts = deque(jobs for jobs in left if jobs)
        for heir in heirs:
            self._fail_teacher(heir.key, f"the generation before failed: {last_line(reason)}")

    def _give_up(self, flight: _Flight, reason: str) -> None:
        self._end(flight, _all(flight, "failed", reason))
        self._land(flight)

    def _land(self, flight: _Flight) -> None:
        del self._flights[flight.task.id]
        if flight.task.stage == "search":
            others = [f for f in self._flights.values() if f.task.stage == "search"]
            flying = {search for other in others for search in other.task.searches}
            for search in flight.task.searches:
                self._searches[search].flying = search in flying


def diverged(row: Metrics, objective: str) -> list[tuple[str, float]]:
    """What of a lane's metrics ends it: losses and the objective, where they are not finite."""
    return [
        (name, value)
        for name, value in row.items()
        if (name == objective or name.endswith("_loss")) and not math.isfinite(value)
    ]


def _number(lane: LaneTask) -> int:
    """The trial number in a search run's key; `NO_TRIAL` for runs that belong to no study."""
    *_, stage, number = lane.key.split("/")
    return int(number) if stage == "trial" else NO_TRIAL


def _by_key(lanes: Iterable[LaneTask]) -> dict[str, LaneTask]:
    return {lane.key: lane for lane in lanes}


def _halves(lanes: Sequence[LaneTask]) -> tuple[tuple[LaneTask, ...], tuple[LaneTask, ...]]:
    """Lanes in two parts: of the searches, or of the only one."""
    searches = list(dict.fromkeys(lane.search for lane in lanes))
    if len(searches) > 1:
        first = set(searches[: len(searches) // 2])
        half = tuple(lane for lane in lanes if lane.search in first)
        return half, tuple(lane for lane in lanes if lane.search not in first)
    middle = len(lanes) // 2
    return tuple(lanes[:middle]), tuple(lanes[middle:])


def _all(flight: _Flight, state: State, reason: str = "") -> dict[str, Outcome]:
    return {key: Outcome(_number(lane), state, reason=reason) for key, lane in flight.live.items()}


def _closing_metrics(outcome: LaneOutcome | None, epochs: int) -> dict[str, float]:
    """What is known of a run when it ends, beside its curves."""
    if outcome is None:
        return {"epochs_trained": epochs}
    return {
        "epochs_trained": outcome.epochs,
        "best_epoch": outcome.best_epoch,
        "train_examples": outcome.trained_on,
        "steps_per_epoch": outcome.steps,
        **_as_best(outcome.best),
        **outcome.test,
    }


def _as_best(metrics: Metrics) -> dict[str, float]:
    """Metrics of the epoch that counts, by the names that runs have them under."""
    return {f"best_{name}": value for name, value in metrics.items()}

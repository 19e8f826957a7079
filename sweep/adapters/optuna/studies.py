"""The studies of a sweep in Optuna: one per search, living in memory, kept in a durable store.

Sampler and pruner work on a study in memory, where a report costs microseconds. The durable store
is written when trials are asked for and when they end, each time in one append; what is between is
lost with the process and made again.

Trial k of a search is drawn by a sampler of its own, seeded by (sweep, search, k) and seeing the
trials before it. So a sweep that is resumed, even between two trials of one generation, asks for
the same.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.trial import FrozenTrial, Trial, TrialState, create_trial

from sweep.adapters.optuna.database import StudyDatabase
from sweep.adapters.optuna.journal import ReadJournal, StudyJournal, understood
from sweep.adapters.optuna.memory import LAST, SHORT_SIGHTED, ShortMemory
from sweep.adapters.optuna.rules import (
    build_pruner,
    build_sampler,
    first_judged,
    holding,
    to_distributions,
)
from sweep.plan.plan import CellSearch, Plan
from sweep.referee.states import State
from sweep.referee.stores import Outcome, PastTrial
from trainers.fields import Value

_STATES: Mapping[TrialState, State] = {
    TrialState.RUNNING: "running",
    TrialState.WAITING: "interrupted",
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}
_REASON = "reason"
# What successive halving and hyperband write into a trial that they look at.
PRUNER_NOTES = "completed_rung_"


def are_kept(sweep: str, store: str) -> bool:
    """Whether studies of a sweep are in ``store``: a journal's path or a database URL."""
    if "://" not in store:
        journal = Path(store)
        return journal.exists() and journal.stat().st_size > 0
    storage = StudyDatabase(store)
    try:
        names = optuna.get_all_study_names(storage)
    finally:
        storage.close()
    return any(name.startswith(f"{sweep}/") for name in names)


class OptunaStudies:
    """All studies of a sweep; the only object that writes them."""

    def __init__(self, plan: Plan, store: str) -> None:
        """``store``: a journal's path or a database URL."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("optuna").setLevel(logging.ERROR)
        patience_s = plan.spec.resources.store_patience_s
        self._storage = (
            StudyDatabase(store, patience_s) if "://" in store else StudyJournal(Path(store))
        )
        self._plan = plan
        searches = [search for search in plan.searches if search.cell.space]
        self._studies = {s.id: _SearchStudy(plan, s, self._storage) for s in searches}
        self._storage.flush()

    def history(self, search: str) -> list[PastTrial]:
        """All trials of a search so far, by number.

        Of those that ended in this launch and lie far back (`sweep.adapters.optuna.memory`), the
        curve is left out, and values and reason where they did not complete.
        """
        return self._studies[search].history()

    def ask(self, search: str, count: int) -> dict[int, dict[str, Value]]:
        """New trials, on record when this returns: number to sampled values."""
        with self._storage.together():
            return self._studies[search].ask(count)

    def judged_from(self, search: str) -> float:
        """The first epoch in which the pruner may stop a running trial of this generation."""
        return self._studies[search].judged_from()

    def report(self, search: str, epoch: int, values: Mapping[int, float]) -> None:
        """The objective of running trials after an epoch."""
        self._studies[search].report(epoch, values)

    def judge(self, search: str, epoch: int, numbers: Sequence[int]) -> list[int]:
        """Which of these running trials the pruner stops, given all that was reported."""
        return self._studies[search].judge(epoch, numbers)

    def tell(self, search: str, outcomes: Sequence[Outcome]) -> None:
        """Trials that ended, or were interrupted; on record, together, when this returns."""
        with self._storage.together():
            for outcome in outcomes:
                self._studies[search].tell(outcome)

    def close(self) -> None:
        """Give up the store; nothing is asked of the studies afterwards."""
        self._storage.close()


class _SearchStudy:
    """One study, in memory and in the store, with equal trial numbers."""

    def __init__(
        self, plan: Plan, search: CellSearch, storage: StudyDatabase | StudyJournal
    ) -> None:
        self._seed = plan.spec.seed
        self._id = search.id
        self._first = search.cell.tried_first
        self._search = plan.spec.search
        self._generation = plan.generation
        name = _name(plan, search)
        direction = plan.spec.objective_metric.direction
        pruner = build_pruner(plan.spec.search.pruner)
        self._kept = optuna.create_study(
            storage=storage, study_name=name, direction=direction, load_if_exists=True
        )
        self._storage = storage
        short = self._search.sampler.name in SHORT_SIGHTED
        self._memory = ShortMemory(direction == "maximize", LAST if short else sys.maxsize)
        self._live = optuna.create_study(
            storage=self._memory, study_name=name, direction=direction, pruner=pruner
        )
        self._space = to_distributions(search.cell.space)
        self._running: dict[int, Trial] = {}
        self._kept_ids: dict[int, int] = {}
        self._ghosts: dict[int, FrozenTrial] = {}
        _hand_on_notes(self._kept, self._live)
        # As an earlier launch left them: trials that have ended are not changed any more.
        self._found = self._kept.get_trials(deepcopy=False)
        self._recall(self._found)

    def _recall(self, trials: list[FrozenTrial]) -> None:
        """Take up what the store holds; a generation that was broken off is lived through again.

        Its trials that ended before the break report and end once more in memory, each in its
        epoch, so that the pruner sees for the others what it would have seen without the break.
        """
        open_numbers = [t.number for t in trials if not t.state.is_finished()]
        size = self._generation
        broken = min(open_numbers) // size if open_numbers else len(trials)
        for trial in trials:
            self._kept_ids[trial.number] = trial._trial_id
            again = trial.number // size == broken
            self._live.add_trial(_as_running(trial) if again else trial)
            if not again:
                continue
            in_memory = self._all()[trial.number]
            self._running[trial.number] = Trial(self._live, in_memory._trial_id)
            if trial.state.is_finished():
                self._ghosts[trial.number] = trial
            else:
                self._storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING)

    def _all(self) -> list[FrozenTrial]:
        """Every trial, by number."""
        return self._memory.everything(self._live._study_id)

    def judged_from(self) -> float:
        # None of a generation completes before all of it has been judged for the last time, but for
        # a cohort that raised: it is trained in halves, and one half may end before the other.
        complete = self._live.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return first_judged(self._search.pruner, len(complete))

    def report(self, epoch: int, values: Mapping[int, float]) -> None:
        for number, ghost in self._ghosts.items():
            if epoch in ghost.intermediate_values:
                self._running[number].report(ghost.intermediate_values[epoch], epoch)
        for number, value in values.items():
            self._running[number].report(value, epoch)

    def judge(self, epoch: int, numbers: Sequence[int]) -> list[int]:
        stopped = []
        for number in sorted({*numbers, *self._ghosts}):
            if self._running[number].should_prune() and number in numbers:
                stopped.append(number)
        self._lay_ghosts(epoch)
        return stopped

    def _lay_ghosts(self, epoch: int) -> None:
        """End the trials that ended in this epoch, or before it, the first time."""
        for number, ghost in list(self._ghosts.items()):
            if epoch >= max(ghost.intermediate_values, default=0):
                del self._ghosts[number]
                self._live.tell(self._running.pop(number), state=ghost.state)

    def history(self) -> list[PastTrial]:
        ended = {t.number: t for t in self._found if t.state.is_finished()}
        return [_past(n, ended.get(n, trial)) for n, trial in enumerate(self._all())]

    def ask(self, count: int) -> dict[int, dict[str, Value]]:
        asked = {}
        for _ in range(count):
            number = len(self._all())
            sampler = build_sampler(
                self._search.sampler, self._space, (self._seed, self._id, number)
            )
            if number < len(self._first):
                sampler = holding(self._first[number], sampler)
            self._live.sampler = sampler
            trial = self._live.ask(self._space)
            self._running[number] = trial
            self._keep_new(trial)
            asked[number] = dict(trial.params)
        _hand_on_notes(self._live, self._kept)
        return asked

    def _keep_new(self, trial: Trial) -> None:
        frozen = self._memory.get_trial(trial._trial_id)
        self._kept.add_trial(_as_running(frozen))
        self._kept_ids[trial.number] = self._storage.get_trial_id_from_study_id_trial_number(
            self._kept._study_id, trial.number
        )

    def tell(self, outcome: Outcome) -> None:
        kept = self._kept_ids.pop(outcome.number)
        trial = self._running.pop(outcome.number)
        if outcome.state == "interrupted":
            self._storage.set_trial_state_values(kept, TrialState.WAITING)
            return
        if outcome.state == "complete":
            self._lay_ghosts(sys.maxsize)
        if outcome.reason:
            trial.set_user_attr(_REASON, outcome.reason)
        state = {v: k for k, v in _STATES.items()}[outcome.state]
        frozen = self._live.tell(trial, outcome.value, state)
        for key, value in frozen.user_attrs.items():
            self._storage.set_trial_user_attr(kept, key, value)
        for key, value in frozen.system_attrs.items():
            self._storage.set_trial_system_attr(kept, key, value)
        self._storage.set_intermediate_values(kept, frozen.intermediate_values)
        self._storage.set_trial_state_values(kept, frozen.state, frozen.values)


def _past(number: int, trial: FrozenTrial) -> PastTrial:
    began, ended = trial.datetime_start, trial.datetime_complete
    return PastTrial(
        number,
        _STATES[trial.state],
        dict(trial.params),
        trial.value,
        trial.intermediate_values,
        trial.user_attrs.get(_REASON, ""),
        began.timestamp() if began else None,
        ended.timestamp() if ended else None,
    )


def _hand_on_notes(before: optuna.Study, after: optuna.Study) -> None:
    """What a sampler notes of a study as a whole, such as how far it is in its sequence."""
    known = after._storage.get_study_system_attrs(after._study_id)
    for name, note in before._storage.get_study_system_attrs(before._study_id).items():
        if known.get(name) != note:
            after._storage.set_study_system_attr(after._study_id, name, note)


def _as_running(trial: FrozenTrial) -> FrozenTrial:
    """The same question without what came of it, the pruner's notes among that."""
    notes = {k: v for k, v in trial.system_attrs.items() if not k.startswith(PRUNER_NOTES)}
    return create_trial(
        state=TrialState.RUNNING,
        params=trial.params,
        distributions=trial.distributions,
        system_attrs=notes,
    )


def ended_trials(plan: Plan, store: str) -> dict[str, int]:
    """How many of the first trials of each search have ended, as a store has them now."""
    return {
        search: next((t.number for t in trials if not t.state.is_finished()), len(trials))
        for search, trials in _stored_trials(plan, store).items()
    }


def copy_trials(
    source: tuple[Plan, str], into: tuple[Plan, str], counts: Mapping[str, int]
) -> None:
    """Copy the first trials of searches, by their names, into the studies of another sweep, which
    has none of them."""
    old, new = source, into
    trials = _stored_trials(*old)
    storage = StudyDatabase(new[1]) if "://" in new[1] else StudyJournal(Path(new[1]))
    try:
        with storage.together():
            for search in new[0].searches:
                if count := counts.get(search.id, 0):
                    study = optuna.create_study(
                        storage=storage,
                        study_name=_name(new[0], search),
                        direction=new[0].spec.objective_metric.direction,
                        load_if_exists=True,
                    )
                    study.add_trials(trials[search.id][:count])
    finally:
        storage.close()


def _stored_trials(plan: Plan, store: str) -> dict[str, list[FrozenTrial]]:
    """The trials of each search, by number, read without owning the store."""
    if "://" in store:
        storage: BaseStorage = StudyDatabase(store)
    elif Path(store).exists():
        journal = ReadJournal(Path(store))
        with understood(Path(store)):
            storage = JournalStorage(journal)
    else:
        return {}
    names = {_name(plan, search): search.id for search in plan.searches}
    return {
        names[study.study_name]: storage.get_all_trials(study._study_id)
        for study in storage.get_all_studies()
        if study.study_name in names
    }


def delete_studies(plan: Plan, url: str) -> None:
    """Delete the studies of a sweep from a database; those that are not there are no matter."""
    storage = StudyDatabase(url)
    try:
        known = set(optuna.get_all_study_names(storage))
        for search in plan.searches:
            if (name := _name(plan, search)) in known:
                optuna.delete_study(study_name=name, storage=storage)
    finally:
        storage.close()


def _name(plan: Plan, search: CellSearch) -> str:
    """What a study is called."""
    return f"{plan.spec.name}/{search.id}"

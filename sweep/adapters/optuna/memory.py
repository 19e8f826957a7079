"""A study in memory that shows samplers and pruners so many trials and no more.

What they take for a trial grows with the trials that they look at: at 10,000 a sampler takes a
tenth of a second, a pruner milliseconds for every lane and epoch. So they see the `LAST` trials,
and the `BEST` ones before these. TPE's good trials are never more than 25, so it loses none of
them; what it compares them with, and a pruner's median, are then those of the later trials.
Samplers that build on what they proposed long ago (evolution, grids, sequences) see everything.

Of what is not shown any more little is kept, so that a long study does not grow: of trials that
completed no curve, of others nothing but their state.
"""

import copy
from bisect import insort
from collections.abc import Container, Iterator, Sequence

from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

# Far more than a cell is usually searched with: up to here nothing is left out.
LAST = 500
BEST = 25
# Samplers that lose nothing by it.
SHORT_SIGHTED = ("tpe", "random", "gp")
# What stands for trials that ended without a value and are not shown any more.
REMAINS = {state: create_trial(state=state) for state in (TrialState.PRUNED, TrialState.FAIL)}


class ShortMemory(InMemoryStorage):
    """One study of one objective, in memory, of which ``last`` trials are shown and the best.

    ``maximize``: whether more is better.
    """

    def __init__(self, maximize: bool, last: int = LAST) -> None:
        super().__init__()
        self._last = last
        self._sign = 1.0 if maximize else -1.0
        # The best complete trials, worst first: value (larger is better), number (negative).
        self._top: list[tuple[float, int]] = []
        # What was shown of trials that ended, by their states, until another one starts or ends.
        self._shown: dict[tuple[TrialState, ...], list[FrozenTrial]] = {}

    def everything(self, study_id: int) -> list[FrozenTrial]:
        """All trials, by number, or what is left of them; not to be changed."""
        return super().get_all_trials(study_id, deepcopy=False)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """As Optuna's, of the trials that are shown."""
        if len(self._studies[study_id].trials) <= self._last or states == (TrialState.WAITING,):
            return super().get_all_trials(study_id, deepcopy, states)
        # Of trials that ended nothing changes but how many there are.
        key = states if isinstance(states, tuple) and all(s.is_finished() for s in states) else ()
        shown = self._shown.get(key)
        if shown is None:
            shown = [t for t in self._chosen(study_id) if states is None or t.state in states]
            if key:
                self._shown[key] = shown
        return copy.deepcopy(shown) if deepcopy else [*shown]

    def _chosen(self, study_id: int) -> Iterator[FrozenTrial]:
        """The best of the early trials, then the last ones."""
        trials = self._studies[study_id].trials
        first = len(trials) - self._last
        for number in sorted(-negative for _, negative in self._top if -negative < first):
            yield trials[number]
        yield from trials[first:]

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        trial_id = super().create_new_trial(study_id, template_trial)
        self._rank(trial_id)
        self._reduce(study_id, len(self._studies[study_id].trials) - self._last - 1)
        return trial_id

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        changed = super().set_trial_state_values(trial_id, state, values)
        self._rank(trial_id)
        return changed

    def _rank(self, trial_id: int) -> None:
        self._shown.clear()
        trial = self.get_trial(trial_id)
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            insort(self._top, (self._sign * trial.value, -trial.number))
            if len(self._top) > BEST:
                _, negative = self._top.pop(0)
                study_id, _ = self._trial_id_to_study_id_and_number[trial_id]
                self._reduce(study_id, -negative)

    def _reduce(self, study_id: int, number: int) -> None:
        """Keep little of a trial that has ended, unless it is shown."""
        trials = self._studies[study_id].trials
        if not 0 <= number < len(trials) - self._last or -number in {n for _, n in self._top}:
            return
        trial = trials[number]
        if trial.state == TrialState.COMPLETE:
            trials[number] = _reduced(trial)
        else:
            trials[number] = REMAINS.get(trial.state, trial)


def _reduced(trial: FrozenTrial) -> FrozenTrial:
    """A trial that completed: what it tried, and what came of it."""
    return FrozenTrial(
        number=trial.number,
        state=trial.state,
        value=trial.value,
        datetime_start=trial.datetime_start,
        datetime_complete=trial.datetime_complete,
        params=trial.params,
        distributions={},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
        trial_id=trial._trial_id,
    )

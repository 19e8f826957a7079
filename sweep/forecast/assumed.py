"""Stores that nothing is kept in, for a referee whose sweep is only thought of.

Nothing is proposed by a sampler and nothing judged by a pruner, for there is nothing to judge by.
Values lie in the middle of their ranges, choices come in turn, and of a generation that a pruner
would judge so many lanes are taken to go on after each epoch:

median, percentile        none is stopped before n_startup_trials are complete. After the k-th epoch
                          that is judged 36 + 26 exp((1 - k) / 4) % go on: what of the 576 trials
                          after the first generations of the preset digits did (62, 52, 50 % after
                          one, two, three; 42 % after seven, 36 % at the end)
successive_halving,       at each rung the share 1 / reduction_factor goes on
hyperband
all others                every lane goes on
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from search_spaces.domains import Choice, Domain, Float
from sweep.plan.plan import Plan
from sweep.plan.search_end import SearchEnd
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.states import State
from sweep.referee.stores import Metrics, Outcome, PastTrial
from sweep.spec.search import Pruner
from trainers.fields import Value

# What Optuna takes where a spec says nothing.
STARTUP_TRIALS, WARMUP_STEPS, REDUCTION, LEAST_RESOURCE = 5, 0, 4, 1
# Of the lanes that a median pruner judges: those that reach the end, those that the first epoch in
# which it judges leaves beyond, and the epochs in which these become 1/e.
AT_END, AT_FIRST, FADES = 0.36, 0.26, 4.0
# Fractions of a range that never repeat, in its middle half.
GOLDEN = (math.sqrt(5) - 1) / 2


def goes_on(pruner: Pruner, epoch: int, complete: int) -> float:
    """The share of a generation that is taken to be left after ``epoch``, with so many complete
    trials before it; 1 where none is stopped."""
    given = pruner.parameters()
    if pruner.name in ("median", "percentile"):
        judged = epoch - max(1, int(given.get("n_warmup_steps", WARMUP_STEPS))) + 1
        if judged < 1 or complete < max(1, int(given.get("n_startup_trials", STARTUP_TRIALS))):
            return 1.0
        return AT_END + AT_FIRST * math.exp((1 - judged) / FADES)
    if pruner.name in ("successive_halving", "hyperband"):
        factor = int(given.get("reduction_factor", REDUCTION))
        least = given.get("min_resource", LEAST_RESOURCE)
        first = int(least) if isinstance(least, int) else LEAST_RESOURCE
        rungs = 0
        while first * factor**rungs <= epoch:
            rungs += 1
        return float(1 / factor**rungs)
    return 1.0


@dataclass
class _Study:
    trials: dict[int, Mapping[str, Value]] = field(default_factory=dict)
    complete: dict[int, float] = field(default_factory=dict)
    generation: int = 0
    live: int = 0


class AssumedStudies:
    """Studies that propose the middle and prune a share; `sweep.referee.stores.Studies`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._studies = {search.id: _Study() for search in plan.searches}

    def history(self, search: str) -> list[PastTrial]:
        study = self._studies[search]
        return [
            PastTrial(number, "complete", study.trials[number], value)
            for number, value in study.complete.items()
        ]

    def judged_from(self, search: str) -> float:
        pruner, complete = self._plan.spec.search.pruner, len(self._studies[search].complete)
        epochs = self._plan.search(search).cell.spec.student_training().all_epochs
        judged = (e for e in range(1, epochs) if goes_on(pruner, e, complete) < 1)
        return next(judged, math.inf)

    def ask(self, search: str, count: int) -> dict[int, dict[str, Value]]:
        study, space = self._studies[search], self._plan.search(search).cell.space
        first = len(study.trials)
        asked = {
            number: {name: _in_the_middle(domain, number) for name, domain in space.items()}
            for number in range(first, first + count)
        }
        study.trials.update(asked)
        study.generation = study.live = count
        return asked

    def report(self, search: str, epoch: int, values: Mapping[int, float]) -> None:
        """Nothing is judged by it."""

    def judge(self, search: str, epoch: int, numbers: Sequence[int]) -> list[int]:
        study = self._studies[search]
        share = goes_on(self._plan.spec.search.pruner, epoch, len(study.complete))
        left = max(1, round(study.generation * share))
        return list(numbers[left:])

    def tell(self, search: str, outcomes: Sequence[Outcome]) -> None:
        study = self._studies[search]
        for outcome in outcomes:
            if outcome.state == "complete" and outcome.value is not None:
                study.complete[outcome.number] = outcome.value


class NoTracker:
    """Writes nothing; `sweep.referee.stores.Tracker`."""

    def open(self, task: CohortTask) -> None: ...
    def begin(self, keys: Iterable[str]) -> None: ...
    def log(self, epoch: int, rows: Mapping[str, Metrics]) -> None: ...
    def attach(self, task: CohortTask, key: str, outcome: LaneOutcome) -> None: ...
    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None: ...
    def reuse(self, task: CohortTask, metrics: Metrics) -> None: ...
    def recover(self, task: CohortTask, trials: Mapping[str, PastTrial]) -> None: ...
    def end_searches(self, end: SearchEnd) -> None: ...


def _in_the_middle(domain: Domain, number: int) -> Value:
    """A value of the middle half of a range, another for every number; choices come in turn."""
    if isinstance(domain, Choice):
        return domain.choices[number % len(domain.choices)]
    share = 0.25 + 0.5 * ((number + 1) * GOLDEN % 1)
    low, high = float(domain.low), float(domain.high)
    if domain.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    return value if isinstance(domain, Float) else round(value)

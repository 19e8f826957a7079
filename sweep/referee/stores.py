"""What the referee asks of the stores: studies that propose and prune, a record of every run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sweep.plan.search_end import SearchEnd
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.states import State
from trainers.fields import Value

Metrics = Mapping[str, float]


@dataclass(frozen=True)
class PastTrial:
    """A trial as a study knows it; ``value`` is the objective, None where there is none.

    ``curve``: the objective by epoch; ``began`` and ``ended`` in seconds since 1970.
    """

    number: int
    state: State
    params: Mapping[str, Value]
    value: float | None
    curve: Mapping[int, float] = field(default_factory=dict)
    reason: str = ""
    began: float | None = field(default=None, compare=False)
    ended: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class EndedRun:
    """A run that is over: its state, and the best validation value of the objective, if any."""

    state: State
    value: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a trial ended; ``value`` only if complete, ``reason`` only if failed."""

    number: int
    state: State
    value: float | None = None
    reason: str = ""


class Studies(Protocol):
    """One study per search, by the search's name; durable when `ask` and `tell` return."""

    def history(self, search: str) -> list[PastTrial]: ...
    def judged_from(self, search: str) -> float: ...
    def ask(self, search: str, count: int) -> dict[int, dict[str, Value]]: ...
    def report(self, search: str, epoch: int, values: Mapping[int, float]) -> None: ...
    def judge(self, search: str, epoch: int, numbers: Sequence[int]) -> list[int]: ...
    def tell(self, search: str, outcomes: Sequence[Outcome]) -> None: ...


class Tracker(Protocol):
    """The record of every run, by key; calls return at once and are carried out in order."""

    def open(self, task: CohortTask) -> None: ...
    def begin(self, keys: Iterable[str]) -> None: ...
    def log(self, epoch: int, rows: Mapping[str, Metrics]) -> None: ...
    def attach(self, task: CohortTask, key: str, outcome: LaneOutcome) -> None: ...
    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None: ...
    def reuse(self, task: CohortTask, metrics: Metrics) -> None: ...
    def recover(self, task: CohortTask, trials: Mapping[str, PastTrial]) -> None: ...
    def end_searches(self, end: SearchEnd) -> None: ...

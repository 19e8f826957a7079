"""A stage for the referee: a tracker that remembers, trainers that make their numbers up."""

import hashlib
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sweep.adapters.optuna.studies import OptunaStudies
from sweep.plan.plan import Plan
from sweep.plan.search_end import SearchEnd
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.referee import Referee
from sweep.referee.states import ENDED, State
from sweep.referee.stores import EndedRun, Metrics, PastTrial
from sweep.training import train
from trainers.data.dataset import Dataset
from trainers.task import KeptOutputs

Curve = Callable[[str, Mapping[str, object], int], float]


@dataclass
class Run:
    """What a tracker was told of one run."""

    stage: str
    states: list[State] = field(default_factory=list)
    rows: dict[int, Metrics] = field(default_factory=dict)
    last: Metrics = field(default_factory=dict)
    reason: str = ""
    examples: Mapping[str, Any] = field(default_factory=dict)


class MemoryTracker:
    """Remembers every run; `sweep.referee.stores.Tracker`."""

    def __init__(self) -> None:
        self.runs: dict[str, Run] = {}
        self.search_end: SearchEnd | None = None

    def open(self, task: CohortTask) -> None:
        for lane in task.lanes:
            self.runs.setdefault(lane.key, Run(task.stage)).states.append("running")

    def begin(self, keys: Iterable[str]) -> None: ...

    def reuse(self, task: CohortTask, metrics: Metrics) -> None:
        self.open(task)
        for lane in task.lanes:
            self.close(lane.key, "complete", metrics)

    def recover(self, task: CohortTask, trials: Mapping[str, PastTrial]) -> None:
        self.open(task)
        for lane in task.lanes:
            self.close(lane.key, trials[lane.key].state, {})

    def end_searches(self, end: SearchEnd) -> None:
        self.search_end = end

    def log(self, epoch: int, rows: Mapping[str, Metrics]) -> None:
        for key, row in rows.items():
            self.runs[key].rows[epoch] = row

    def attach(self, task: CohortTask, key: str, outcome: LaneOutcome) -> None:
        self.runs[key].examples = outcome.examples

    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None:
        run = self.runs[key]
        run.states.append(state)
        run.last, run.reason = metrics, reason

    def of(self, stage: str) -> dict[str, Run]:
        """The runs of a stage, by key."""
        return {key: run for key, run in self.runs.items() if run.stage == stage}

    def completed(self, stage: str) -> list[str]:
        """Keys of the runs of a stage that completed."""
        return [key for key, run in self.of(stage).items() if run.states[-1] == "complete"]

    def ended(self) -> dict[str, EndedRun]:
        """What the next launch knows of the runs that are over."""
        return {
            key: EndedRun(run.states[-1], run.last.get("best_validation_accuracy"))
            for key, run in self.runs.items()
            if run.states[-1] in ENDED
        }


def assert_same_runs(runs: Mapping[str, Run], others: Mapping[str, Run]) -> None:
    """Two trackers were told the same to the last bit: curves, states, tests, tables."""
    assert runs.keys() == others.keys()
    for key, run in runs.items():
        other = others[key]
        assert (run.rows, run.states, run.last) == (other.rows, other.states, other.last), key
        assert run.examples.keys() == other.examples.keys()
        for name, column in run.examples.items():
            assert np.array_equal(column, other.examples[name]), (key, name)


def made_up(key: str, values: Mapping[str, object], epoch: int) -> float:
    """An accuracy that grows with epochs to a level set by what the lane is."""
    text = f"{key.split('/trial/')[0]} {sorted(values.items())}".encode()
    level = int.from_bytes(hashlib.sha256(text).digest()[:4]) / 2**32
    return 50 + 40 * level * (1 - math.exp(-epoch / (1 + 2 * level)))


class Trainer:
    """One cohort in training, an epoch at a time."""

    def __init__(self, referee: Referee, task: CohortTask, curve: Curve) -> None:
        self._referee = referee
        self._curve = curve
        self._best: dict[str, tuple[float, int]] = {}
        self.task = task
        self.epoch = 0
        self.live = [lane.key for lane in task.lanes]

    def step(self) -> bool:
        """Train one epoch and report it, or finish; whether more is to come."""
        epochs = self.task.spec.training.epochs
        if self.epoch == epochs or not self.live:
            self._finish()
            return False
        self.epoch += 1
        values = [self._value(key) for key in self.live]
        rows = [{"validation_accuracy": v, "validation_loss": 100 - v} for v in values]
        go_on = self._referee.report(self.task.id, self.epoch, self.live, rows)
        self.live = [key for key, goes in zip(self.live, go_on, strict=True) if goes]
        return True

    def _value(self, key: str) -> float:
        (lane,) = [lane.lane for lane in self.task.lanes if lane.key == key]
        value = self._curve(key, lane.hyperparameters, self.epoch)
        if not value <= self._best.get(key, (-math.inf, 0))[0]:
            self._best[key] = (value, self.epoch)
        return value

    def _finish(self) -> None:
        outcomes = {}
        for key in self.live:
            value, epoch = self._best[key]
            best = {"validation_accuracy": value, "validation_loss": 100 - value}
            test = {"test_accuracy": value - 1} if self.task.stage == "confirm" else {}
            outcomes[key] = LaneOutcome(self.epoch, epoch, best, test)
        teachers = [
            f"{key.rsplit('/', 1)[1]}{suffix}"
            for key in self.live
            for suffix in [f"@{epoch}" for epoch in self.task.snapshots] or [""]
            if self.task.stage == "teacher"
        ]
        self._referee.finish(self.task.id, outcomes, teachers)


class Theatre:
    """Trainers side by side under one referee, interleaved by a seeded draw."""

    def __init__(self, referee: Referee, curve: Curve = made_up, slots: int = 1, seed: int = 0):
        self.referee = referee
        self.flying: list[Trainer] = []
        self._curve = curve
        self._slots = slots
        self._draw = random.Random(seed)

    def play(self, steps: int | None = None) -> None:
        """Train until all is done, or for so many steps."""
        for _ in range(10**6) if steps is None else range(steps):
            if not self._step():
                return
        assert steps is not None, "the sweep does not end"

    def _step(self) -> bool:
        while len(self.flying) < self._slots:
            task = self.referee.next_cohort(self._slots)
            if isinstance(task, str):
                assert task == "done" or self.flying
                break
            self.flying.append(Trainer(self.referee, task, self._curve))
        if not self.flying:
            return False
        trainer = self._draw.choice(self.flying)
        if not trainer.step():
            self.flying.remove(trainer)
        return True


_OPEN: dict[Path, OptunaStudies] = {}


def studies(plan: Plan, folder: Path) -> OptunaStudies:
    """The real studies on a journal in ``folder``, as those before them left it, now dead."""
    if folder in _OPEN:
        _OPEN.pop(folder).close()
    _OPEN[folder] = OptunaStudies(plan, str(folder / "optuna.journal"))
    return _OPEN[folder]


def close_studies() -> None:
    """Close all that `studies` opened."""
    while _OPEN:
        _OPEN.popitem()[1].close()


def histories(plan: Plan, of: OptunaStudies) -> dict[str, list[PastTrial]]:
    """Every search's trials."""
    return {s.id: of.history(s.id) for s in plan.searches if s.cell.space}


def train_in_process(
    referee: Referee, dataset: Dataset, slots: int = 1
) -> Iterator[tuple[CohortTask, Mapping[str, LaneOutcome]]]:
    """Train whatever the referee names, one cohort after another, by the real trainers; it is told
    that so many ``slots`` are there."""
    outputs: dict[str, KeptOutputs] = {}
    weights: dict[str, dict[str, np.ndarray]] = {}
    while not isinstance(task := referee.next_cohort(slots), str):
        named = task.id

        def report(
            epoch: int, keys: Sequence[str], rows: Sequence[Metrics], named: str = named
        ) -> list[bool]:
            return referee.report(named, epoch, keys, rows)

        outcomes, teachers = train(task, dataset, outputs, report, weights)
        for key, teacher in teachers.items():
            outputs[key] = teacher.outputs
            weights[key] = {name: t.numpy() for name, t in teacher.parameters.items()}
        referee.finish(task.id, outcomes, teachers)
        yield task, outcomes
    assert task == "done"

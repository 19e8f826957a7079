"""The referee in a process of its own on Ray, with the stores it writes to and the shared arrays.

Apart from `sweep.adapters.ray.tune`, so that its process need not load Tune. Ray imports this
module wherever a handle of the actor goes, so it loads MLflow and Optuna in the actor alone.
"""

import math
import os
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import ray
from numpy.typing import NDArray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.ray.ahead import REFEREE
from sweep.adapters.ray.checkpoint_store import CheckpointStore
from sweep.adapters.ray.dispatch import Dispatch, Worker
from sweep.adapters.ray.heartbeats import Heartbeats
from sweep.adapters.ray.teacher_store import TeacherStore
from sweep.errors import SweepFailed
from sweep.garbage_collection import loading
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, LaneOutcome, run_of_teacher, teacher_run
from sweep.referee.referee import Progress, Referee
from sweep.referee.reports import Reported
from sweep.referee.time_limit import Deadline, TimeLimit
from sweep.referee.time_spent import Work
from sweep.spec.spec import SweepSpec
from trainers.loading import content_key

ALL_DONE = "done"
WAIT = "wait"


T = TypeVar("T")
# A teacher on its way to the store: what is kept of it, and its weights, arrays by name.
Graduate = tuple[Mapping[str, NDArray[Any]], dict[str, NDArray[np.float32]]]


@dataclass(frozen=True)
class Stores:
    """Where a sweep is written.

    MLflow's runs, the spool of what is still to be written there, Optuna's journal or URL, the
    directories of trained teachers and of checkpoints, and user and password of MLflow's server,
    by variable: on a cluster, a process has its node's environment and not the launcher's.
    """

    runs: SweepRuns
    spool: Path
    optuna: str = field(repr=False)
    teachers: Path
    checkpoints: Path
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


class RefereeActor:
    """The referee, guarded: an error of its own or of its stores stops the sweep, not a trial.

    Workers are then told to stop, and whoever asks for the next cohort is told why.
    """

    def __init__(
        self,
        spec: SweepSpec,
        stores: Stores,
        inputs: Mapping[str, Any],
        deadline: Deadline | None = None,
    ) -> None:
        """``inputs``: references to what was read, as `train_everything` has it.

        ``deadline``: after which no more is searched, on this machine's clock.
        """
        from sweep.adapters.mlflow.tracking import MlflowTracker
        from sweep.adapters.optuna.studies import OptunaStudies

        os.environ.update(stores.credentials)
        plan = self._plan = Plan(spec, stores.runs.fingerprints)
        self._inputs = inputs
        self._tracker = MlflowTracker(plan, stores.runs, stores.spool)
        ended = self._tracker.ended()
        self._teacher_store = TeacherStore(stores.teachers)
        # A given one takes no training, and is measured in every sweep.
        jobs = [job for job in plan.jobs if not job.given or teacher_run(job) in ended]
        kept, self._notices = self._teacher_store.outputs(n for job in jobs for n in job.names)
        self._weights: dict[str, Any] = {}
        self._outputs = {key: ray.put(arrays) for key, arrays in kept.items()}
        self._checkpoints = CheckpointStore(stores.checkpoints)
        self._notices += self._checkpoints.notices
        studies = OptunaStudies(plan, stores.optuna)
        limit = TimeLimit(spec.search.timeout, deadline, self._tracker.search_end)
        begun = self._checkpoints.cohorts
        measured = {key: self._teacher_store.measured(key) for key in kept}
        self._referee = Referee(plan, studies, self._tracker, kept, ended, begun, limit, measured)
        self._trial_timeout_s = spec.resources.trial_timeout_s or math.inf
        if lost := self._referee.recovered:
            self._notices.append(
                f"{spec.name}: of {lost} search runs the studies alone know how they ended; they "
                "are written to the tracking store again, with the objective as their only curve"
            )
        self._silence_s = spec.resources.silence_s
        self._heartbeats = Heartbeats(self._silence_s, time.monotonic)
        self._save_every_s = spec.resources.checkpoint_every_s
        self._tasks: dict[str, CohortTask] = {}
        self._fatal: str | None = None
        self._first_cohort = math.nan
        self._spent: dict[str, Counter[str]] = defaultdict(Counter)
        self._busy_s, self._calls = 0.0, 0

    def next_cohort(self, slots: int = 1) -> str:
        """The id of a cohort to train, or `WAIT` or `ALL_DONE`; SweepFailed if it cannot go on.

        ``slots``: as `Referee.next_cohort`.
        """
        nothing: CohortTask | str = WAIT
        task = self._guard(lambda: self._referee.next_cohort(slots), nothing)
        if self._fatal:
            raise SweepFailed(self._fatal)
        if isinstance(task, str):
            return task
        self._tasks[task.id] = task
        return task.id

    def fetch(self, cohort: str, worker: Worker) -> Dispatch:
        """The task of that id with what it trains on, for the ``worker`` that will train it."""
        task = self._tasks[cohort]
        limit_s = self._trial_timeout_s if task.stage == "search" else math.inf
        self._heartbeats.begin(cohort, worker, limit_s)
        if math.isnan(self._first_cohort):
            self._first_cohort = time.time()
        outputs = {key: self._outputs[key] for key in task.teachers}
        asked = task.teachers if task.asks_teachers else ()
        weights = {key: self._weights_of(key) for key in (*asked, *task.starts)}

        def begin() -> tuple[bytes, float]:
            self._referee.begin(cohort)
            return self._checkpoints.find(task), self._referee.judged_from(cohort)

        state, judged_from = self._guard(begin, (b"", 1.0))
        dataset = [self._inputs[content_key(task.data)]]
        given = [self._inputs[task.given]] if task.given else []
        return Dispatch(
            task, dataset, outputs, weights, state, self._save_every_s, judged_from, given
        )

    def report(self, cohort: str, reports: Sequence[Reported]) -> list[bool]:
        """As `Referee.report`, of one epoch or several; the answer is to the last.

        All lanes stop where the sweep does.
        """
        self._heartbeats.beat(cohort)

        def report_all() -> list[bool]:
            return [self._referee.report(cohort, *reported) for reported in reports][-1]

        none = [False] * len(reports[-1][1])
        answer = self._guard(report_all, none)
        if cohort in self._heartbeats.overdue():
            self._give_up(cohort)
            return none
        return answer

    def save(self, cohort: str, lanes: Sequence[str], epoch: int, state: bytes) -> None:
        """Keep the state of a cohort after an epoch, with the lanes that are left."""
        task = self._tasks.get(cohort)
        if task and not self._referee.flying.isdisjoint(lanes):
            self._guard(lambda: self._checkpoints.put(task, lanes, epoch, state), None)

    def finish(
        self,
        cohort: str,
        outcomes: Mapping[str, LaneOutcome],
        teachers: Mapping[str, Graduate],
        seconds: Mapping[str, float],
    ) -> None:
        """A cohort's results; the arrays of teachers are stored before they count as there.

        ``seconds``: where its time went.
        """

        def store_and_finish() -> None:
            for key, (outputs, parameters) in teachers.items():
                # One of several snapshots was not measured by itself.
                reached = outcomes.get(run_of_teacher(key))
                best = reached.best if reached else {}
                self._teacher_store.put(key, outputs, parameters, best)
                self._outputs[key] = ray.put(outputs)
            self._referee.finish(cohort, outcomes, teachers)

        task = self._tasks[cohort]
        labels = dict.fromkeys(self._plan.search(s).cell.use.label for s in task.searches)
        self._spent[f"{task.stage}/{'+'.join(labels)}"].update(seconds)
        self._leave(cohort, store_and_finish)
        del self._tasks[cohort]

    def failed(self, cohort: str, reason: str) -> None:
        """A cohort raised."""
        self._leave(cohort, lambda: self._referee.failed(cohort, reason))

    def lost(self, cohort: str) -> None:
        """A cohort's process is gone."""
        self._leave(cohort, lambda: self._referee.lost(cohort))

    def begun(self) -> bool:
        """Whether a process has taken a cohort."""
        return not math.isnan(self._first_cohort)

    def notices(self) -> list[str]:
        """What the user should hear of before the sweep goes on."""
        return self._notices

    def progress(self) -> Progress:
        """How far the sweep is; also the moment at which silent and late cohorts are ended."""
        self._end_silent()
        return self._referee.progress()

    def close(self, interrupted: bool) -> Progress:
        """Write down everything; what is in flight is marked as interrupted."""
        if interrupted:
            self._referee.interrupt()
        if self._fatal is None:
            self._tracker.flush()
            if not interrupted:
                self._checkpoints.clear()
        return self._referee.progress()

    def work(self, processes: int) -> Work:
        """Where the time of the ``processes`` that train went."""
        return Work(
            self._first_cohort,
            processes,
            {name: dict(seconds) for name, seconds in self._spent.items()},
            self._busy_s,
            self._calls,
            self._tracker.busy_s,
        )

    def _weights_of(self, key: str) -> Any:
        if key not in self._weights:
            self._weights[key] = ray.put(self._teacher_store.weights(key))
        return self._weights[key]

    def _leave(self, cohort: str, end: Callable[[], None]) -> None:
        """A process has done with a cohort; ``end`` tells the referee how that came."""
        self._heartbeats.end(cohort)

        def end_and_clear() -> None:
            # Not so after an interrupt: its checkpoint is for the next launch.
            was_trained = self._referee.trains(cohort)
            end()
            if was_trained:
                self._checkpoints.landed(self._tasks[cohort], self._referee.flying)

        self._guard(end_and_clear, None)

    def _guard(self, call: Callable[[], T], otherwise: T) -> T:
        began = time.perf_counter()
        try:
            return self._guarded(call, otherwise)
        finally:
            self._busy_s += time.perf_counter() - began
            self._calls += 1

    def _guarded(self, call: Callable[[], T], otherwise: T) -> T:
        if self._fatal is None:
            try:
                self._tracker.check()
                return call()
            except SweepFailed as error:
                self._fatal = str(error)
            except Exception as error:  # noqa: BLE001 - a full disk, a database gone, a bug
                self._fatal = f"{type(error).__name__}: {error}; the same command goes on from here"
        return otherwise

    def _give_up(self, cohort: str) -> Worker | None:
        """A cohort took too long; the process that trains it, if it is known."""
        worker = self._heartbeats.end(cohort)
        self._leave(cohort, partial(self._referee.overdue, cohort, self._trial_timeout_s))
        return worker

    def _end_silent(self) -> None:
        """End processes that hang, in a cohort or between two, or do not report in time."""
        for cohort in self._heartbeats.overdue():
            if worker := self._give_up(cohort):
                _end(worker)
        for cohort in self._heartbeats.silent():
            worker = self._heartbeats.end(cohort)
            self._leave(cohort, partial(self._referee.silent, cohort, self._silence_s))
            if worker:
                _end(worker)
        for worker in self._heartbeats.stuck(self._referee.progress().flying):
            _end(worker)


class EarlyRefereeActor(RefereeActor):
    """A referee whose process loads before there is anything to judge: the launcher opens the
    store meanwhile. Nothing is asked of it before `begin`."""

    def __init__(self) -> None:
        with loading():
            import sweep.adapters.mlflow.tracking
            import sweep.adapters.optuna.studies  # noqa: F401

    def begin(
        self,
        spec: SweepSpec,
        stores: Stores,
        inputs: Mapping[str, Any],
        deadline: Deadline | None = None,
    ) -> None:
        """As `RefereeActor` is made."""
        super().__init__(spec, stores, inputs, deadline)


def start_referee() -> Any:
    """A handle of a referee that loads, for `train_everything`, in a Ray session."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    # Where this process is, for it writes the same files.
    actor = ray.remote(EarlyRefereeActor).options(
        num_cpus=0,
        max_restarts=0,
        scheduling_strategy=here,
        # It takes none of the processes that were started ahead to train.
        runtime_env={"env_vars": {REFEREE: "1"}},
    )
    return actor.remote()


def _end(worker: Worker) -> None:
    """End a process that may not listen any more: by a signal where it runs on this node."""
    if worker.node == ray.get_runtime_context().get_node_id():
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
    else:
        ray.kill(cloudpickle.loads(worker.actor))

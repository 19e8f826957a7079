"""The writer: every run of a sweep in MLflow, written in the background, in batches, in order.

Calls put an entry on a queue and return; one thread carries them out. Metrics of a run are held
back and written together, when the run ends or every few seconds; one request holds many epochs.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.plan import Plan, spec_hash
from sweep.referee import Metrics
from sweep.states import State
from sweep.tasks import CohortTask, LaneTask
from sweep.version import code_version

# The most that MLflow takes in one request.
METRICS_PER_REQUEST = 1000
# The metric that tells how far a run's curves go.
EPOCHS = "epochs_trained"
# How long metrics of a run that goes on may wait, in seconds.
HOLD_BACK = 10.0

STATUS: Mapping[State, str] = {
    "running": "RUNNING",
    "interrupted": "KILLED",
    "complete": "FINISHED",
    "pruned": "KILLED",
    "failed": "FAILED",
}


@dataclass(frozen=True)
class SweepRuns:
    """A sweep in the store: its experiment, its parent run, the child runs it has, by key."""

    uri: str
    experiment_id: str
    parent_id: str
    children: Mapping[str, "KnownRun"] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownRun:
    """A child run that is in the store: its id, state and the last epoch of its curves."""

    run_id: str
    state: State
    epochs: int


class MlflowTracker:
    """Writes the runs of one sweep; `sweep.referee.Tracker`."""

    def __init__(self, plan: Plan, runs: SweepRuns) -> None:
        self._client = MlflowClient(tracking_uri=runs.uri)
        self._runs = runs
        self._plan = plan
        self._common = {
            "sweep": plan.spec.name,
            "spec_hash": spec_hash(plan.spec),
            "code_version": code_version(),
            MLFLOW_PARENT_RUN_ID: runs.parent_id,
        }
        self._ids = {key: run.run_id for key, run in runs.children.items()}
        self._epochs = {key: run.epochs for key, run in runs.children.items()}
        self._ended = {k for k, run in runs.children.items() if run.state == "complete"}
        self._held: dict[str, list[Metric]] = defaultdict(list)
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="mlflow-writer", daemon=True)
        self._thread.start()

    def open(self, task: CohortTask) -> None:
        """Runs that start, or are taken up again."""
        now = _now()
        self._put(lambda: self._open_all(task, task.lanes, now))

    def reuse(self, task: CohortTask) -> None:
        """Runs whose result was at hand before the sweep began."""
        fresh = [lane for lane in task.lanes if lane.key not in self._ended]
        if fresh:
            now = _now()
            self._put(lambda: self._open_all(task, fresh, now))
            for lane in fresh:
                self.close(lane.key, "complete", {}, reason="trained before, by an equal teacher")

    def log(self, key: str, epoch: int, metrics: Metrics) -> None:
        """Metrics of an epoch; those that an earlier try of the run has written are left out."""
        now = _now()
        if epoch > self._epochs.get(key, 0):
            self._epochs[key] = epoch
            row = {**metrics, EPOCHS: epoch}
            rows = [Metric(name, value, now, epoch) for name, value in row.items()]
            self._put(lambda: self._held[key].extend(rows))

    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None:
        """A run that ends, with its last metrics and its true state."""
        now, step = _now(), self._epochs.get(key, 0)
        last = [Metric(k, v, now, step) for k, v in metrics.items() if k != EPOCHS]
        tags: dict[str, str] = {"state": state}
        if reason:
            tags["reason"] = reason
        if state == "pruned":
            tags["pruned"] = "true"
        self._put(lambda: self._close(key, last, tags, STATUS[state], now))

    def flush(self) -> None:
        """Wait until everything is written; raises what went wrong."""
        done = threading.Event()
        self._put(self._write_held)
        self._put(done.set)
        while not done.wait(0.1):
            self._raise()
        self._raise()

    def _put(self, entry: Callable[[], Any]) -> None:
        self._raise()
        self._queue.put(entry)

    def _raise(self) -> None:
        if self._error:
            raise RuntimeError(f"the tracking store refused a write: {self._error}")

    def _work(self) -> None:
        written = time.monotonic()
        while True:
            entry = self._queue.get()
            if entry is None:
                return
            try:
                entry()
                if time.monotonic() - written > HOLD_BACK:
                    self._write_held()
                    written = time.monotonic()
            except Exception as error:  # noqa: BLE001 - told to whoever calls next
                self._error = error
                return

    def _open_all(self, task: CohortTask, lanes: Sequence[LaneTask], now: int) -> None:
        for lane in lanes:
            self._open(task, lane, now)

    def _open(self, task: CohortTask, lane: LaneTask, now: int) -> None:
        if lane.key in self._ids:
            self._client.update_run(self._ids[lane.key], status="RUNNING")
            self._client.set_tag(self._ids[lane.key], "state", "running")
            return
        run = self._client.create_run(
            self._runs.experiment_id,
            start_time=now,
            run_name=lane.key,
            tags={**self._common, **self._tags(task, lane)},
        )
        self._ids[lane.key] = run.info.run_id
        values = {"method": task.spec.method, **lane.lane.hyperparameters}
        params = [Param(name, str(value)) for name, value in values.items()]
        self._client.log_batch(run.info.run_id, params=params)

    def _tags(self, task: CohortTask, lane: LaneTask) -> dict[str, str]:
        labels = lane.source.labels
        tags = {
            "key": lane.key,
            "stage": task.stage,
            "state": "running",
            "cohort": task.id,
            "seed": str(lane.source.seed),
            "noise_kind": labels.noise_kind,
            "noise_rate": repr(labels.noise_rate),
            "method": "teacher",
        }
        if task.cell:
            cell = self._plan.cell(task.cell)
            tags["cell"] = cell.id
            tags["method"] = cell.use.label
            tags["teacher_labels"] = cell.condition.teacher_labels
        if task.stage == "search":
            tags["trial"] = lane.key.rsplit("/", 1)[1]
        return tags

    def _close(
        self, key: str, last: list[Metric], tags: dict[str, str], status: str, now: int
    ) -> None:
        run_id = self._ids[key]
        metrics = self._held.pop(key, []) + last
        self._write(run_id, metrics, [RunTag(k, v) for k, v in tags.items()])
        self._client.set_terminated(run_id, status, end_time=now)

    def _write_held(self) -> None:
        for key in list(self._held):
            self._write(self._ids[key], self._held.pop(key), [])

    def _write(self, run_id: str, metrics: list[Metric], tags: list[RunTag]) -> None:
        for start in range(0, len(metrics), METRICS_PER_REQUEST):
            part = metrics[start : start + METRICS_PER_REQUEST]
            self._client.log_batch(run_id, metrics=part)
        if tags:
            self._client.log_batch(run_id, tags=tags)


def _now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000

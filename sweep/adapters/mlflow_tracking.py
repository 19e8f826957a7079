"""The writer: every run of a sweep in MLflow, written in the background, in batches, in order.

A call puts a plain record into a spool on disk and returns; one thread carries the records out.
Metrics of a run are held back and written together, when the run ends or every few seconds. A store
that does not answer is tried again for a while, and nothing is lost meanwhile: the spool outlives
the process, and carrying a record out twice changes nothing.
"""

import hashlib
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.adapters.example_files import write_examples
from sweep.adapters.mlflow_metrics import MetricSink
from sweep.adapters.spool import Record, Spool
from sweep.errors import SweepFailed
from sweep.plan import Plan, spec_hash
from sweep.referee import Metrics
from sweep.states import ENDED, State
from sweep.tasks import CohortTask, LaneTask
from sweep.version import code_version

# The metric that tells how far a run's curves go.
EPOCHS = "epochs_trained"
# How long metrics of a run that goes on may wait, in seconds.
HOLD_BACK = 10.0
# Seconds between two tries of a store that does not answer: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0

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

    def __init__(self, plan: Plan, runs: SweepRuns, spool: Path) -> None:
        """Carries out what an earlier process left in the spool first."""
        self._plan = plan
        self._common = {
            "sweep": plan.spec.name,
            "spec_hash": spec_hash(plan.spec),
            "code_version": code_version(),
            MLFLOW_PARENT_RUN_ID: runs.parent_id,
        }
        # Files on their way to the store, until it has them.
        self._outbox = spool.with_name("outbox")
        kept = Spool(spool)
        self._writer = _Writer(runs, kept, plan.spec.resources.store_patience_s)
        self._ended = {k for k, run in runs.children.items() if run.state in ENDED}
        for record in kept.left_over:
            self._writer.take(record)
            if record["do"] == "close" and record["tags"]["state"] in ENDED:
                self._ended.add(record["key"])
        for key, run in runs.children.items():
            if run.state == "running" and key not in self._ended:
                # Left by a process that was killed; running again once it is handed out.
                self.close(key, "interrupted", {})

    def ended(self) -> frozenset[str]:
        """The keys of runs whose end is in the store, or on its way there."""
        return frozenset(self._ended)

    def open(self, task: CohortTask) -> None:
        """Runs that start, or are taken up again."""
        for lane in task.lanes:
            self._writer.keep(self._opening(task, lane))

    def reuse(self, task: CohortTask) -> None:
        """Runs whose result was at hand before the sweep began."""
        for lane in task.lanes:
            if lane.key not in self._ended:
                self._writer.keep(self._opening(task, lane))
                self.close(lane.key, "complete", {}, reason="at hand, trained before")

    def log(self, key: str, epoch: int, metrics: Metrics) -> None:
        """Metrics of an epoch; those that an earlier try of the run has written are left out."""
        row = {**metrics, EPOCHS: epoch}
        self._writer.keep({"do": "log", "key": key, "epoch": epoch, "row": row, "at": _now()})

    def attach(self, key: str, examples: Mapping[str, Any]) -> None:
        """What a run knows of its training examples, as files among its artifacts."""
        place = self._outbox / hashlib.sha256(key.encode()).hexdigest()[:16]
        files = [str(path) for path in write_examples(place, examples)]
        self._writer.keep({"do": "attach", "key": key, "files": files})

    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None:
        """A run that ends, with its last metrics and its true state."""
        tags: dict[str, str] = {"state": state}
        if reason:
            tags["reason"] = reason
        if state == "pruned":
            tags["pruned"] = "true"
        row = {k: v for k, v in metrics.items() if k != EPOCHS}
        self._writer.keep(
            {"do": "close", "key": key, "row": row, "tags": tags, "status": STATUS[state],
             "at": _now()}
        )  # fmt: skip

    def check(self) -> None:
        """SweepFailed if the store has not answered for too long, or refused a write."""
        self._writer.check()

    def flush(self) -> None:
        """Wait until everything is written; SweepFailed if it cannot be."""
        self._writer.flush()

    @property
    def busy_s(self) -> float:
        """Seconds that the writer has spent on the store."""
        return self._writer.busy_s

    def _opening(self, task: CohortTask, lane: LaneTask) -> Record:
        values = {"method": task.spec.method, **lane.lane.hyperparameters}
        return {
            "do": "open",
            "key": lane.key,
            "tags": {**self._common, **self._tags(task, lane)},
            "params": {name: str(value) for name, value in values.items()},
            "at": _now(),
        }

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


class _Writer:
    """The thread that carries records out, in order, each until the store has taken it."""

    def __init__(self, runs: SweepRuns, spool: Spool, patience_s: float) -> None:
        self._client = MlflowClient(tracking_uri=runs.uri)
        self._sink = MetricSink(runs.uri)
        self._experiment = runs.experiment_id
        self._spool = spool
        self._patience_s = patience_s
        self._ids = {key: run.run_id for key, run in runs.children.items()}
        self._epochs = {key: run.epochs for key, run in runs.children.items()}
        self._held: dict[str, list[Metric]] = defaultdict(list)
        self._queue: queue.SimpleQueue[Record | threading.Event] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._error: Exception | None = None
        self.busy_s = 0.0
        threading.Thread(target=self._work, name="mlflow-writer", daemon=True).start()

    def keep(self, record: Record) -> None:
        """Spool a record and have it carried out."""
        with self._lock:
            self._spool.put(record)
            self._waiting += 1
        self._queue.put(record)

    def take(self, record: Record) -> None:
        """Have a record carried out that is in the spool already."""
        with self._lock:
            self._waiting += 1
        self._queue.put(record)

    def check(self) -> None:
        if self._error:
            raise SweepFailed(
                f"the tracking store took no write for {self._patience_s:g} s: {self._error}; "
                "what is missing there is kept, and the same command goes on from here"
            )

    def flush(self) -> None:
        done = threading.Event()
        self._queue.put(done)
        while not done.wait(0.05):
            self.check()

    def _work(self) -> None:
        written = cleared = time.monotonic()
        while self._error is None:
            entry = self._queue.get()
            if isinstance(entry, threading.Event):
                self._insist(self._write_held)
                self._clear_spool()
                entry.set()
                continue
            self._insist(partial(self._carry_out, entry))
            with self._lock:
                self._waiting -= 1
            now = time.monotonic()
            # A sweep that is never idle still has moments in which nothing waits.
            clearable = self._waiting == 0 and now - cleared > HOLD_BACK
            if clearable or now - written > HOLD_BACK:
                self._insist(self._write_held)
                written = now
                cleared = now if self._clear_spool() else cleared

    def _insist(self, write: Callable[[], None]) -> None:
        """Try a write until it succeeds or patience ends."""
        began, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                write()
                self.busy_s += time.monotonic() - began
                return
            except Exception as error:  # noqa: BLE001 - stores fail in many ways; all are retried
                if time.monotonic() - began > self._patience_s:
                    self._error = error
                    return
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _clear_spool(self) -> bool:
        """Empty the spool if nothing of it is still to be written; whether it was."""
        with self._lock:
            done = self._waiting == 0 and not self._held and self._error is None
            if done:
                self._spool.clear()
            return done

    def _carry_out(self, record: Record) -> None:
        match record["do"]:
            case "open":
                self._open(record)
            case "log":
                self._hold(record)
            case "attach":
                self._attach(record)
            case _:
                self._close(record)

    def _open(self, record: Record) -> None:
        key = record["key"]
        if key in self._ids:
            self._client.update_run(self._ids[key], status="RUNNING")
            self._client.set_tag(self._ids[key], "state", "running")
        else:
            run = self._client.create_run(
                self._experiment, start_time=record["at"], run_name=key, tags=record["tags"]
            )
            self._ids[key] = run.info.run_id
        params = [Param(name, value) for name, value in record["params"].items()]
        self._client.log_batch(self._ids[key], params=params)

    def _hold(self, record: Record) -> None:
        key, epoch = record["key"], record["epoch"]
        if epoch > self._epochs.get(key, 0):
            self._epochs[key] = epoch
            self._held[key].extend(_metrics(record["row"], record["at"], epoch))

    def _attach(self, record: Record) -> None:
        """Send files; those that are gone were sent by an earlier try."""
        for path in map(Path, record["files"]):
            if path.exists():
                self._client.log_artifact(self._ids[record["key"]], str(path))
                path.unlink()
                with suppress(OSError):  # not empty yet
                    path.parent.rmdir()

    def _close(self, record: Record) -> None:
        key = record["key"]
        # Taken out of the record, so that a second try does not hold it twice.
        self._held[key].extend(
            _metrics(record.pop("row", {}), record["at"], self._epochs.get(key, 0))
        )
        self._write(key, [RunTag(name, value) for name, value in record["tags"].items()])
        self._client.set_terminated(self._ids[key], record["status"], end_time=record["at"])

    def _write_held(self) -> None:
        for key in list(self._held):
            self._write(key)

    def _write(self, key: str, tags: Sequence[RunTag] = ()) -> None:
        """Write what is held back of a run, then its tags."""
        self._sink.write(self._ids[key], self._held[key])
        if tags:
            self._client.log_batch(self._ids[key], tags=tags)
        del self._held[key]


def _metrics(row: Metrics, at: int, step: int) -> list[Metric]:
    return [Metric(name, value, at, step) for name, value in row.items()]


def _now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000

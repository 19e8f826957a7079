"""Records carried out by MLflow's client, as any tracking server takes them.

Metrics of a run are held back and sent together, when the run ends or every few seconds.
"""

from collections import defaultdict, deque
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from sweep.adapters.mlflow.data import as_input
from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.mlflow.run_files import hand_over, places
from sweep.adapters.mlflow.spool import Record
from sweep.referee.stores import Metrics

# The most that MLflow takes in one request.
METRICS_PER_REQUEST = 1000


class Requests:
    """A tracking store behind MLflow's client; `sweep.adapters.mlflow.writer.Sink`."""

    gathers_s = 0.05

    def __init__(self, runs: SweepRuns) -> None:
        self._client = MlflowClient(tracking_uri=runs.uri)
        self._experiment = runs.experiment_id
        self._parent = runs.parent_id
        self._ids = {key: run.run_id for key, run in runs.children.items()}
        self._epochs = {key: run.epochs for key, run in runs.children.items()}
        self._held: dict[str, list[Metric]] = defaultdict(list)

    def take(self, records: deque[Record]) -> None:
        """Carry records out one by one; those that are done are gone from ``records``."""
        while records:
            self._carry_out(records[0])
            records.popleft()

    def write_held(self) -> None:
        """Send all that is held back."""
        for key in list(self._held):
            self._write(key)

    def _carry_out(self, record: Record) -> None:
        match record["do"]:
            case "open":
                self._open(record)
            case "log":
                self._hold(record)
            case "attach":
                self._attach(record)
            case "note":
                for name, value in record["tags"].items():
                    self._client.set_tag(self._parent, name, value)
            case _:
                self._close(record)

    def _open(self, record: Record) -> None:
        key, there = record["key"], set[str]()
        if key in self._ids:
            self._client.update_run(self._ids[key], status="RUNNING")
            self._client.set_tag(self._ids[key], "state", "running")
            # A server refuses another value for a parameter; an earlier version may have had one.
            there = set(self._client.get_run(self._ids[key]).data.params)
        else:
            run = self._client.create_run(
                self._experiment, start_time=record["at"], run_name=key, tags=record["tags"]
            )
            self._ids[key] = run.info.run_id
        if (data := record.get("data")) and not there:
            self._client.log_inputs(self._ids[key], [as_input(data)])
        params = [
            Param(name, value) for name, value in record["params"].items() if name not in there
        ]
        self._client.log_batch(self._ids[key], params=params)

    def _hold(self, record: Record) -> None:
        key, epoch = record["key"], record["epoch"]
        if epoch > self._epochs.get(key, 0):
            self._epochs[key] = epoch
            self._held[key].extend(_metrics(record["row"], record["at"], epoch))

    def _attach(self, record: Record) -> None:
        send = partial(self._client.log_artifact, self._ids[record["key"]])
        for path, root in places(record):
            hand_over(path, root, send)

    def _close(self, record: Record) -> None:
        key = record["key"]
        # Taken out of the record, so that a second try does not hold it twice.
        self._held[key].extend(
            _metrics(record.pop("row", {}), record["at"], self._epochs.get(key, 0))
        )
        self._write(key)
        tags = [RunTag(name, value) for name, value in record["tags"].items()]
        self._client.log_batch(self._ids[key], tags=tags)
        self._client.set_terminated(self._ids[key], record["status"], end_time=record["at"])

    def _write(self, key: str) -> None:
        """Send what is held back of a run."""
        held = self._held[key]
        for start in range(0, len(held), METRICS_PER_REQUEST):
            part = held[start : start + METRICS_PER_REQUEST]
            self._client.log_batch(self._ids[key], metrics=part)
        del self._held[key]


def _metrics(row: Metrics, at: int, step: int) -> list[Metric]:
    return [Metric(name, value, at, step) for name, value in row.items()]

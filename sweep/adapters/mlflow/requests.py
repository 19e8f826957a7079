"""Records carried out by MLflow's client, as any tracking server takes them.

Metrics of a run are held back and sent together, when the run ends or every few seconds.

Each request changes nothing if it is carried out twice, but for the one that makes a run. Its
answer may be lost; so where it was sent before, the run is looked for first. For that MLflow's
client must not send it again by itself, as by default it does: the writer does that.
"""

import os
from collections import defaultdict, deque
from functools import partial

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.adapters.mlflow.data import as_input
from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.mlflow.run_files import hand_over, places
from sweep.adapters.mlflow.spool import Record
from sweep.referee.stores import Metrics

# The most that MLflow takes in one request.
METRICS_PER_REQUEST = 1000
# How often MLflow's client sends a request that has failed once more.
SENT_AGAIN = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


class Requests:
    """A tracking store behind MLflow's client; `sweep.adapters.mlflow.writer.Sink`."""

    gathers_s = 0.05

    def __init__(self, runs: SweepRuns) -> None:
        os.environ[SENT_AGAIN] = "0"
        self._client = MlflowClient(tracking_uri=runs.uri)
        self._experiment = runs.experiment_id
        self._parent = runs.parent_id
        self._ids = {key: run.run_id for key, run in runs.children.items()}
        self._epochs = {key: run.epochs for key, run in runs.children.items()}
        self._held: dict[str, list[Metric]] = defaultdict(list)
        self._held_tags: dict[str, list[RunTag]] = defaultdict(list)
        # Keys of runs that may have been made, though no answer said so.
        self._perhaps_made: set[str] = set()

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
            self._ids[key] = self._made_before(key) or self._make(record)
        if (data := record.get("data")) and not there:
            self._client.log_inputs(self._ids[key], [as_input(data)])
        params = [
            Param(name, value) for name, value in record["params"].items() if name not in there
        ]
        self._client.log_batch(self._ids[key], params=params)

    def _make(self, record: Record) -> str:
        """A new run; its id."""
        key = record["key"]
        self._perhaps_made.add(key)
        run = self._client.create_run(
            self._experiment, start_time=record["at"], run_name=key, tags=record["tags"]
        )
        self._perhaps_made.discard(key)
        run_id: str = run.info.run_id
        return run_id

    def _made_before(self, key: str) -> str | None:
        """The id of a run that an earlier try has made, if there is one."""
        if key not in self._perhaps_made:
            return None
        ours = f"tags.key = '{key}' and tags.`{MLFLOW_PARENT_RUN_ID}` = '{self._parent}'"
        found = self._client.search_runs([self._experiment], ours, max_results=1)
        return found[0].info.run_id if found else None

    def _hold(self, record: Record) -> None:
        key, epoch = record["key"], record["epoch"]
        if epoch > self._epochs.get(key, 0):
            self._epochs[key] = epoch
            self._held[key].extend(_metrics(record["row"], record["at"], epoch))
            # An earlier version's records have none.
            tags = record.get("tags", {})
            self._held_tags[key].extend(RunTag(name, value) for name, value in tags.items())

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
        held, tags = self._held[key], self._held_tags[key]
        for start in range(0, len(held), METRICS_PER_REQUEST):
            part = held[start : start + METRICS_PER_REQUEST]
            self._client.log_batch(self._ids[key], metrics=part, tags=tags)
        del self._held[key], self._held_tags[key]


def _metrics(row: Metrics, at: int, step: int) -> list[Metric]:
    return [Metric(name, value, at, step) for name, value in row.items()]

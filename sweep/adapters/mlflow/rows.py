"""Records carried out as rows of MLflow's own tables, many runs in one transaction.

MLflow's client makes an object of every value and a transaction of every call, which can take as
long as a short trial trains. SQLite, which belongs to the sweep alone while it runs, gets the same
rows at once; a test compares them with the client's.
"""

import math
import uuid
from collections import ChainMap, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow.entities import LifecycleStage, SourceType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlInput,
    SqlInputTag,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME
from mlflow.utils.uri import append_to_uri_path
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from sweep.adapters.mlflow.data import CONTEXT, Fields
from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.mlflow.run_files import hand_over, places
from sweep.adapters.mlflow.spool import Record

# What MLflow keeps in place of an infinite value.
LARGEST = 1.7976931348623157e308
DIALECT = sqlite.dialect(paramstyle="named")

Row = dict[str, Any]


@dataclass
class _Batch:
    """Rows to be written together, by what identifies them."""

    born: dict[str, Row] = field(default_factory=dict)
    moved: dict[str, Row] = field(default_factory=dict)
    tags: dict[tuple[str, str], Row] = field(default_factory=dict)
    params: list[Row] = field(default_factory=list)
    metrics: list[Row] = field(default_factory=list)
    epochs: dict[str, int] = field(default_factory=dict)
    files: list[tuple[str, Path, Path]] = field(default_factory=list)
    datasets: dict[tuple[str, str], Row] = field(default_factory=dict)
    inputs: list[Row] = field(default_factory=list)

    def move(self, run_id: str, change: Row) -> None:
        """Change a run's status, and its end where it has one."""
        self.moved.setdefault(run_id, {}).update(change)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        for key, value in tags.items():
            self.tags[run_id, key] = {"run_uuid": run_id, "key": key, "value": value}

    def measure(self, run_id: str, row: Mapping[str, float], at: int, step: int) -> None:
        """Add metrics of a run."""
        self.metrics += [
            {"run_uuid": run_id, "key": key, "timestamp": at, "step": step, **_kept(float(value))}
            for key, value in row.items()
        ]

    @property
    def input_tags(self) -> list[Row]:
        """What every input is there for."""
        return [
            {"input_uuid": row["input_uuid"], "name": name, "value": value}
            for row in self.inputs
            for name, value in CONTEXT.items()
        ]

    @property
    def latest(self) -> list[Row]:
        """The last row of every metric."""
        return list({(row["run_uuid"], row["key"]): row for row in self.metrics}.values())


class Rows:
    """A database of SQLite; `sweep.adapters.mlflow.writer.Sink`."""

    gathers_s = 0.5

    def __init__(self, runs: SweepRuns) -> None:
        self._store: SqlAlchemyStore = _get_store(runs.uri)  # type: ignore[no-untyped-call]
        experiment = self._store.get_experiment(runs.experiment_id)
        self._experiment = int(runs.experiment_id)
        self._parent = runs.parent_id
        self._files = str(experiment.artifact_location)
        self._ids = {key: run.run_id for key, run in runs.children.items()}
        self._epochs = {key: run.epochs for key, run in runs.children.items()}
        # Runs that have an id, and no row until a transaction succeeds.
        self._unborn: set[str] = set()
        # Ids of data sets, by name and digest.
        self._datasets = self._known_datasets()

    def take(self, records: deque[Record]) -> None:
        """Carry all records out; ``records`` is empty once they are.

        Files come last: what is tried again finds the runs that they belong to.
        """
        batch = _Batch()
        for record in records:
            self._add(batch, record)
        self._write(batch)
        self._unborn -= batch.born.keys()
        self._epochs |= batch.epochs
        self._datasets |= {of: row["dataset_uuid"] for of, row in batch.datasets.items()}
        for run_id, path, root in batch.files:
            hand_over(path, root, get_artifact_repository(self._place(run_id)).log_artifact)
        records.clear()

    def write_held(self) -> None:
        """Nothing: nothing is held back."""

    def _add(self, batch: _Batch, record: Record) -> None:
        if record["do"] == "note":
            batch.tag(self._parent, record["tags"])
            return
        if record["do"] == "open":
            self._open(batch, record)
            return
        key = record["key"]
        run_id = self._ids[key]
        trained = ChainMap(batch.epochs, self._epochs).get(key, 0)
        match record["do"]:
            case "log":
                if record["epoch"] > trained:
                    batch.epochs[key] = record["epoch"]
                    batch.measure(run_id, record["row"], record["at"], record["epoch"])
                    # An earlier version's records have none.
                    batch.tag(run_id, record.get("tags", {}))
            case "attach":
                batch.files += [(run_id, *place) for place in places(record)]
            case _:
                batch.measure(run_id, record["row"], record["at"], trained)
                batch.tag(run_id, record["tags"])
                batch.move(run_id, {"status": record["status"], "end_time": record["at"]})

    def _open(self, batch: _Batch, record: Record) -> None:
        key = record["key"]
        if key in self._ids and self._ids[key] not in self._unborn - batch.born.keys():
            batch.move(self._ids[key], {"status": "RUNNING"})
            batch.tag(self._ids[key], {"state": "running"})
        else:
            run_id = self._ids.setdefault(key, uuid.uuid4().hex)
            self._unborn.add(run_id)
            batch.born[run_id] = self._born(run_id, record)
            batch.tag(run_id, {**record["tags"], MLFLOW_RUN_NAME: key})
            if data := record.get("data"):
                batch.inputs.append(self._input(batch, run_id, data))
        batch.params += [
            {"run_uuid": self._ids[key], "key": name, "value": value}
            for name, value in record["params"].items()
        ]

    def _known_datasets(self) -> dict[tuple[str, str], str]:
        here = select(SqlDataset).where(SqlDataset.experiment_id == self._experiment)
        with self._store.ManagedSessionMaker(read_only=True) as session:
            return {(d.name, d.digest): d.dataset_uuid for d in session.scalars(here)}

    def _input(self, batch: _Batch, run_id: str, data: Fields) -> Row:
        """That a run reads a data set, which is added where it is new."""
        of = data["name"], data["digest"]
        dataset_id = self._datasets.get(of)
        if dataset_id is None:
            row = batch.datasets.setdefault(
                of,
                {
                    "dataset_uuid": uuid.uuid4().hex,
                    "experiment_id": self._experiment,
                    "name": data["name"],
                    "digest": data["digest"],
                    "dataset_source_type": data["source_type"],
                    "dataset_source": data["source"],
                    "dataset_profile": data["profile"],
                },
            )
            dataset_id = row["dataset_uuid"]
        return {
            "input_uuid": uuid.uuid4().hex,
            "source_type": "DATASET",
            "source_id": dataset_id,
            "destination_type": "RUN",
            "destination_id": run_id,
        }

    def _born(self, run_id: str, record: Record) -> Row:
        """A run as MLflow's client makes it."""
        return {
            "run_uuid": run_id,
            "name": record["key"],
            "experiment_id": self._experiment,
            "artifact_uri": self._place(run_id),
            "status": "RUNNING",
            "start_time": record["at"],
            "user_id": "unknown",
            "source_type": SourceType.to_string(SourceType.UNKNOWN),
            "source_name": "",
            "source_version": "",
            "entry_point_name": "",
            "lifecycle_stage": LifecycleStage.ACTIVE,
        }

    def _place(self, run_id: str) -> str:
        folder = SqlAlchemyStore.ARTIFACTS_FOLDER_NAME
        return str(append_to_uri_path(self._files, run_id, folder))  # type: ignore[no-untyped-call]

    def _write(self, batch: _Batch) -> None:
        steps: list[tuple[Any, list[Row]]] = [
            (insert(SqlRun), list(batch.born.values())),
            *(_move(run_id, change) for run_id, change in batch.moved.items()),
            (_upsert(SqlTag, "value"), list(batch.tags.values())),
            (insert(SqlParam).on_conflict_do_nothing(), batch.params),
            (insert(SqlDataset), list(batch.datasets.values())),
            (insert(SqlInput), batch.inputs),
            (insert(SqlInputTag), batch.input_tags),
        ]
        metrics = [
            (insert(SqlMetric).on_conflict_do_nothing(), batch.metrics),
            (_upsert(SqlLatestMetric, "value", "timestamp", "step", "is_nan"), batch.latest),
        ]
        with self._store.ManagedSessionMaker(read_only=False) as session:
            connection = session.connection()
            for statement, rows in steps:
                if rows:
                    connection.execute(statement, rows)
            # The most by far, and nothing in them that SQLAlchemy would have to translate.
            for statement, rows in metrics:
                if rows:
                    text = str(statement.compile(dialect=DIALECT, column_keys=rows[0]))
                    connection.exec_driver_sql(text, rows)


def _move(run_id: str, change: Row) -> tuple[Any, list[Row]]:
    """The change of one run's row."""
    return update(SqlRun).where(SqlRun.run_uuid == bindparam("run")), [{"run": run_id, **change}]


def _upsert(model: Any, *columns: str) -> Any:
    """Insert rows, or change these columns; of a metric, only to those of a later step."""
    new = insert(model)
    later = model.step <= new.excluded.step if "step" in columns else None
    return new.on_conflict_do_update(
        index_elements=["key", "run_uuid"],
        set_={name: new.excluded[name] for name in columns},
        where=later,
    )


def _kept(value: float) -> Row:
    """A value as the tables hold it: NaN as 0 with a mark, an infinite value as the largest."""
    if math.isfinite(value):
        return {"value": value, "is_nan": False}
    if math.isnan(value):
        return {"value": 0.0, "is_nan": True}
    return {"value": math.copysign(LARGEST, value), "is_nan": False}

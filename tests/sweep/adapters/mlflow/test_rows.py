"""Runs written as rows are what MLflow's own client would have written."""

import math
import shutil
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from sweep.adapters.mlflow.data import fields_of
from sweep.adapters.mlflow.known import KnownRun, SweepRuns
from sweep.adapters.mlflow.requests import Requests
from sweep.adapters.mlflow.rows import Rows
from sweep.adapters.mlflow.spool import Record
from sweep.adapters.mlflow.store import local_uri
from sweep.plan.data_inputs import DataInput

VALUES = (0.1 + 0.2, -1e-300, math.nan, math.inf, -math.inf, 0.0)
TABLES = {
    "runs": "name, run_uuid, name, source_type, source_name, entry_point_name, user_id, status, "
    "start_time, end_time, deleted_time, source_version, lifecycle_stage, artifact_uri, "
    "experiment_id",
    "tags": "run_uuid, key, value",
    "params": "run_uuid, key, value",
    "metrics": "run_uuid, key, value, timestamp, step, is_nan",
    "latest_metrics": "run_uuid, key, value, timestamp, step, is_nan",
    "datasets": "experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, "
    "dataset_profile",
    "inputs": "source_type, destination_type, destination_id, step",
    "input_tags": "name, value",
}
DATA = fields_of(DataInput("digits", 32 * "a", {"examples": 200}, None, 200))


def _opening(key: str, at: int) -> Record:
    tags = {"key": key, "state": "running", "mlflow.parentRunId": "0" * 32}
    params = {"lr": "0.1"}
    return {"do": "open", "key": key, "tags": tags, "params": params, "data": DATA, "at": at}


def _life(key: str, folder: Path) -> list[Record]:
    """All that can happen to a run: it is interrupted, taken up again, attached to, and ends."""
    epochs: list[Record] = [
        {"do": "log", "key": key, "epoch": epoch, "at": 1000 + epoch,
         "row": {"loss": value, "accuracy": -2 * value}}
        for epoch, value in enumerate(VALUES, start=1)
    ]  # fmt: skip
    epochs[0]["tags"] = {"trained_from": "950"}
    stop = {"do": "close", "key": key, "row": {}, "tags": {"state": "interrupted"},
            "status": "KILLED", "at": 1500}  # fmt: skip
    folder.mkdir()
    (folder / "labels.json").write_text("{}", encoding="utf-8")
    attach = {"do": "attach", "key": key, "files": [str(folder / "labels.json")]}
    end = {"do": "close", "key": key, "row": {"best_epoch": 3.0},
           "tags": {"state": "failed", "reason": "diverged"}, "status": "FAILED",
           "at": 2000}  # fmt: skip
    return [_opening(key, 900), *epochs[:3], stop, _opening(key, 1600), *epochs, attach, end]


def _content(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table, runs by the order of their start instead of their ids."""
    with sqlite3.connect(database) as connection:
        ids = [row[0] for row in connection.execute("select run_uuid from runs order by name")]
        names = {run_id: f"run {place}" for place, run_id in enumerate(ids)}

        def told(value: object) -> object:
            for run_id, name in names.items():
                value = value.replace(run_id, name) if isinstance(value, str) else value
            return value

        return {
            table: sorted(
                (
                    tuple(map(told, row))
                    for row in connection.execute(f"select {columns} from {table}")
                ),
                key=repr,
            )
            for table, columns in TABLES.items()
        }


@pytest.fixture
def made(empty_store: Path, tmp_path: Path) -> Callable[[str], SweepRuns]:
    """Makes an empty sweep in a database of its own, by a name."""

    def make(name: str) -> SweepRuns:
        place = tmp_path / name
        place.mkdir()
        database = Path(shutil.copy(empty_store, place))
        client = MlflowClient(tracking_uri=local_uri(database))
        files = (place / "files").as_uri()
        return SweepRuns(
            local_uri(database), client.create_experiment("x", artifact_location=files), "0" * 32
        )

    return make


def test_rows_are_those_of_the_client(made: Callable[[str], SweepRuns], tmp_path: Path) -> None:
    found = []
    for name, sink in (("ours", Rows), ("theirs", Requests)):
        place, taker = tmp_path / name, sink(made(name))
        for key in ("a", "b"):
            taker.take(deque(_life(key, place / key)))
            taker.write_held()
        files = sorted(path.name for path in place.glob("files/*/artifacts/*"))
        assert files == ["labels.json", "labels.json"]
        # The two stores stand in different places.
        text = repr(_content(place / "mlflow.db")).replace(str(place), "PLACE")
        found.append(text.replace("), (", "),\n("))
    assert found[0].splitlines() == found[1].splitlines()


def test_writing_again_changes_nothing(made: Callable[[str], SweepRuns], tmp_path: Path) -> None:
    rows = Rows(made("ours"))
    life = _life("a", tmp_path / "a")
    rows.take(deque(life[:5]))
    rows.take(deque(life))
    before = _content(tmp_path / "ours" / "mlflow.db")
    rows.take(deque(life))
    assert _content(tmp_path / "ours" / "mlflow.db") == before
    assert len(before["metrics"]) == 2 * len(VALUES) + 1


def test_a_batch_that_fails_is_not_there_in_part(
    made: Callable[[str], SweepRuns], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows(made("ours"))
    database = tmp_path / "ours" / "mlflow.db"
    records = deque(_life("a", tmp_path / "a"))
    open_session = rows._store.ManagedSessionMaker

    @contextmanager
    def full(**options: Any) -> Iterator[Any]:
        with open_session(**options) as session:
            yield session
            raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(rows._store, "ManagedSessionMaker", full)
        with pytest.raises(MlflowException, match="full"):
            rows.take(records)
    assert not any(_content(database).values())
    assert (tmp_path / "a" / "labels.json").exists()
    rows.take(records)
    assert not records
    assert len(_content(database)["runs"]) == 1
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("sink", [Rows, Requests])
def test_a_parameter_that_is_there_stays_when_a_run_is_taken_up_again(
    sink: type[Rows | Requests], made: Callable[[str], SweepRuns]
) -> None:
    """A later version may call the method otherwise; a server refuses another value."""
    runs = made("renamed")
    old = {**_opening("a", 1), "params": {"method": "cross_entropy"}}
    sink(runs).take(deque([old]))
    client = MlflowClient(tracking_uri=runs.uri)
    (run,) = client.search_runs([runs.experiment_id], "tags.key = 'a'")
    known = KnownRun(run.info.run_id, "interrupted", 0)
    again = SweepRuns(runs.uri, runs.experiment_id, runs.parent_id, {"a": known})
    new = {**_opening("a", 2), "params": {"method": "labels_only", "lr": "0.1"}}
    sink(again).take(deque([new]))
    params = client.get_run(run.info.run_id).data.params
    assert params == {"method": "cross_entropy", "lr": "0.1"}

"""A tracking store that does not answer: nothing is lost, and everything is written once."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from sweep.adapters.checked_lines import read
from sweep.adapters.mlflow.spool import Spool
from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.adapters.optuna.journal import BatchedJournal
from sweep.errors import SweepFailed
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, confirm_cohort
from sweep.spec.reader import read_spec
from tests.faults.launcher import write_spec

EPOCHS = 8


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = write_spec(tmp_path)
    return Plan(read_spec(str(path), ["resources.store_patience_s=30"]))


@pytest.fixture
def store(tmp_path: Path) -> MlflowStore:
    return open_store(Places(tmp_path))


def cohort(plan: Plan) -> CohortTask:
    return confirm_cohort(plan, plan.searches[0], 0, {}, (1, 2))


def live_through(tracker: MlflowTracker, task: CohortTask) -> None:
    tracker.open(task)
    for epoch in range(1, EPOCHS + 1):
        for lane in task.lanes:
            tracker.log(epoch, {lane.key: {"validation_loss": 1 / epoch}})
    for lane in task.lanes:
        tracker.close(lane.key, "complete", {"best_epoch": EPOCHS})


def assert_written_once(store: MlflowStore, plan: Plan, task: CohortTask) -> None:
    children = store.open_sweep(plan).children
    assert sorted(children) == sorted(lane.key for lane in task.lanes)
    for run in children.values():
        assert run.state == "complete"
        history = store._client.get_metric_history(run.run_id, "validation_loss")
        assert [(m.step, m.value) for m in history] == [(e, 1 / e) for e in range(1, EPOCHS + 1)]


def locked(path: Path) -> sqlite3.Connection:
    """A connection that lets nobody else read or write."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    return connection


def test_a_store_that_comes_back_has_everything_once(
    store: MlflowStore, plan: Plan, tmp_path: Path
) -> None:
    tracker = MlflowTracker(plan, store.open_sweep(plan), tmp_path / "spool")
    lock = locked(tmp_path / "mlflow.db")
    live_through(tracker, cohort(plan))
    lock.rollback()
    tracker.flush()
    assert_written_once(store, plan, cohort(plan))
    assert (tmp_path / "spool").read_bytes() == b""


def test_a_store_that_stays_away_stops_the_sweep_and_keeps_what_is_missing(
    store: MlflowStore, plan: Plan, tmp_path: Path
) -> None:
    runs = store.open_sweep(plan)
    impatient = Plan(read_spec(str(tmp_path / "faults.yaml"), ["resources.store_patience_s=0.1"]))
    tracker = MlflowTracker(impatient, runs, tmp_path / "spool")
    shutil.move(tmp_path / "mlflow.db", tmp_path / "away")
    (tmp_path / "mlflow.db").mkdir()
    live_through(tracker, cohort(plan))
    with pytest.raises(SweepFailed, match="the same command goes on"):
        tracker.flush()
    (tmp_path / "mlflow.db").rmdir()
    shutil.move(tmp_path / "away", tmp_path / "mlflow.db")
    MlflowTracker(plan, store.open_sweep(plan), tmp_path / "spool").flush()
    assert_written_once(store, plan, cohort(plan))


def test_carrying_the_spool_out_twice_changes_nothing(
    store: MlflowStore, plan: Plan, tmp_path: Path
) -> None:
    task = cohort(plan)
    tracker = MlflowTracker(plan, store.open_sweep(plan), tmp_path / "spool")
    live_through(tracker, task)
    spooled = (tmp_path / "spool").read_bytes()
    tracker.flush()
    (tmp_path / "again").write_bytes(spooled)
    MlflowTracker(plan, store.open_sweep(plan), tmp_path / "again").flush()
    assert_written_once(store, plan, task)


def test_a_store_that_takes_no_write_is_told_in_one_line(
    store: MlflowStore, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MlflowException("(sqlite3.OperationalError) database or disk is full\n[SQL: ...]")

    store.open_sweep(plan)
    monkeypatch.setattr(store._client, "set_tag", full)
    for write in (store.open_sweep, lambda plan: store.close_sweep(plan.spec.name, "failed")):
        with pytest.raises(SweepFailed, match="disk is full; the same command goes on") as told:
            write(plan)
        assert "\n" not in str(told.value)


def test_a_record_that_does_not_fit_is_not_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """Takes half of what it is given, as a disk does with its last bytes."""

        def write(self, data: bytes) -> int:
            return file.write(data[: len(data) // 2])

        def __getattr__(self, name: str) -> object:
            return getattr(file, name)

    spool = Spool(tmp_path / "spool")
    spool.put([{"do": "open"}])
    file = spool._file
    monkeypatch.setattr(spool, "_file", Full())
    with pytest.raises(OSError, match="No space left"):
        spool.put([{"do": "log"}])
    monkeypatch.setattr(spool, "_file", file)
    spool.put([{"do": "close"}])
    assert read(tmp_path / "spool")[0] == [{"do": "open"}, {"do": "close"}]


def test_records_of_a_journal_that_do_not_fit_are_not_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = BatchedJournal(tmp_path / "journal")
    journal.append_logs([{"n": 1}])
    journal.flush()

    def half(_: object) -> None:
        with (tmp_path / "journal").open("ab") as file:
            file.write(b'{"n":2}\n{"n"')
        raise OSError(28, "No space left on device")

    journal.append_logs([{"n": 2}, {"n": 3}])
    with monkeypatch.context() as patch:
        patch.setattr(journal._file, "append_logs", half)
        with pytest.raises(OSError, match="No space left"):
            journal.flush()
    journal.flush()
    journal.close()
    assert read(tmp_path / "journal")[0] == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_torn_last_record_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b'{"do":"log"}\n{"do":"clo')
    spool = Spool(path)
    spool.put([{"do": "open"}])
    assert read(path)[0] == [{"do": "log"}, {"do": "open"}]
    assert spool.left_over == [{"do": "log"}]

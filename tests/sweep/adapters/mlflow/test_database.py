"""The database of a store: whole or not there, whoever makes it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.adapters.mlflow.database import make_database
from sweep.adapters.mlflow.store import local_uri

MAKE = """
import sys
from pathlib import Path
from sweep.adapters.mlflow.database import make_database
make_database(Path(sys.argv[1]), Path("artifacts"))
"""


def experiments(database: Path) -> list[str]:
    found = MlflowClient(tracking_uri=local_uri(database)).search_experiments()
    return [experiment.name for experiment in found]


def size(file: Path) -> int:
    """In bytes; SQLite's own files come and go."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def test_a_process_killed_while_it_makes_one_leaves_none(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    command = [sys.executable, "-c", MAKE, str(database)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    # Some of the schema is written then, and not all of it.
    while not any(map(size, tmp_path.glob(".mlflow.db.*"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not database.exists()
    make_database(database, tmp_path / "artifacts")
    assert experiments(database) == ["Default"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mlflow.lock", "mlflow.db"]


def test_one_that_is_there_is_left_alone(empty_store: Path, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(empty_store.read_bytes())
    MlflowClient(tracking_uri=local_uri(database)).create_experiment("mine")
    make_database(database, tmp_path / "artifacts")
    assert set(experiments(database)) == {"Default", "mine"}


@pytest.mark.parametrize("processes", [3])
def test_of_several_at_once_one_makes_it(processes: int, tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    makers = [
        multiprocessing.get_context("spawn").Process(
            target=make_database, args=(database, tmp_path / "artifacts")
        )
        for _ in range(processes)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0] * processes
    assert experiments(database) == ["Default"]

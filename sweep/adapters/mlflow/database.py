"""A tracking database of this machine's own: there with its whole schema, or not there."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, event

from sweep.atomic_files import replaced


def make_database(path: Path, artifacts: Path) -> None:
    """Make an empty database at ``path`` unless there is one, with room for files in ``artifacts``.

    MLflow makes its schema in some hundred steps, and cannot go on where a process died between
    two of them. So it is made beside its place; of processes that do so at once, one waits.
    """
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".mlflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            return
        for unfinished in path.parent.glob(f".{path.name}.*"):
            unfinished.unlink()
        silence()
        with replaced(path) as beside, _unsynced():
            uri, root = f"sqlite:///{beside.resolve()}", artifacts.resolve().as_uri()
            store = SqlAlchemyStore(uri, root)  # type: ignore[no-untyped-call]
            store.engine.dispose()
            with beside.open("rb") as file:
                os.fsync(file.fileno())


def silence() -> None:
    """Keep MLflow's notes on databases off the screen; what fails there is raised as well."""
    logging.getLogger("mlflow.store.db").setLevel(logging.CRITICAL)


@contextmanager
def _unsynced() -> Iterator[None]:
    """Databases that are opened in the block do not wait for the disk at every step."""

    def hurry(connection: Any, record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    event.listen(Engine, "connect", hurry)
    try:
        yield
    finally:
        event.remove(Engine, "connect", hurry)

"""Where the files of a runs directory's store are: below the directory, wherever that is now.

MLflow records every place in full, and a directory that was moved or copied is then somewhere
else. What only reads looks below the directory as it is named now (`local_files`), and so needs
not write. What writes has the records corrected first (`move_here`), so that MLflow itself, and
its dashboard, find the files there too.
"""

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlflow.store.tracking.dbmodels.models import SqlExperiment, SqlLoggedModel, SqlRun
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache, _get_store
from sqlalchemy import func, select, update

# Parts of a run's place below the root of all artifacts: experiment, run, "artifacts".
RUN_DEPTH = 3
# Columns of MLflow's tables that hold a place in full.
_RECORDED: tuple[Any, ...] = (
    SqlExperiment.artifact_location,
    SqlRun.artifact_uri,
    SqlLoggedModel.artifact_location,
)


def local_files(uri: str, artifacts: Path) -> Path | None:
    """The directory of a run's files below ``artifacts``; None where ``uri`` is no local one, or
    they are not there."""
    path = _local(uri)
    if path is None:
        return None
    below = artifacts.joinpath(*path.parts[-RUN_DEPTH:])
    return below if below.is_dir() else None


def move_here(uri: str, artifacts: Path) -> None:
    """Have the database at ``uri`` record its files below ``artifacts``, if it does not.

    An experiment whose files are elsewhere by intent, in no directory of that name, is left.
    """
    # By run, whatever the database: else a copy's runs would be taken for those of the original.
    _artifact_repos_cache.clear()
    store: SqlAlchemyStore = _get_store(uri)  # type: ignore[no-untyped-call]
    query: Any = select(SqlExperiment.experiment_id, SqlExperiment.artifact_location)
    with store.ManagedSessionMaker() as session:
        recorded = [tuple(row) for row in session.execute(query)]
    moved = [
        (old, new)
        for _, old in recorded
        if (new := _new_place(old or "", artifacts)) is not None and new != old
    ]
    if not moved:
        return
    with store.ManagedSessionMaker(read_only=False) as session:
        for old, new in moved:
            for column in _RECORDED:
                session.execute(_replace_root(column, old, new))


def _new_place(old: str, artifacts: Path) -> str | None:
    """Where an experiment's files are now, if they are below a root of the same name."""
    path = _local(old)
    if path is None or path.parent.name != artifacts.name:
        return None
    return (artifacts.resolve() / path.name).as_uri()


def _replace_root(column: Any, old: str, new: str) -> Any:
    """Change of a column where it is ``old`` or below it."""
    is_below = func.substr(column, 1, len(old) + 1) == f"{old}/"
    return (
        update(column.class_)
        .where((column == old) | is_below)
        .values({column.key: new + func.substr(column, len(old) + 1)})
        .execution_options(synchronize_session=False)
    )


def _local(uri: str) -> PurePosixPath | None:
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return None
    return PurePosixPath(url2pathname(parts.path))

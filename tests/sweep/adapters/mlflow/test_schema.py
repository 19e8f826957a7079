"""Databases whose tables another version of MLflow made: told, with the way forward, and left as
they are."""

import contextlib
import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base

from sweep import cli
from sweep.adapters.mlflow.schema import MIGRATIONS
from sweep.errors import BadInput
from sweep.places import Places, open_store

NEWEST = str(ScriptDirectory(str(MIGRATIONS)).get_current_head())


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _made_earlier(file: Path) -> str:
    """A database as the version of MLflow before the newest change of tables made it; which."""
    script = ScriptDirectory(str(MIGRATIONS))
    before = str(script.get_revision(NEWEST).down_revision)  # type: ignore[union-attr]
    file.parent.mkdir(parents=True)
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    Base.metadata.create_all(engine)
    config = _get_alembic_config(f"sqlite:///{file}")  # type: ignore[no-untyped-call]
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, before)
    engine.dispose()
    return before


def test_earlier_tables_are_told_and_left_and_go_on_once_they_are_upgraded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    places = Places(tmp_path / "runs")
    before = _made_earlier(places.database)
    digest = _digest(places.database)
    uri = f"sqlite:///{places.database}"
    for words in (["list"], ["export", "a"], ["compare", "a"], ["launch", "digits"]):
        monkeypatch.setattr(sys, "argv", ["almkd", *words, "--runs-dir", str(places.runs_dir)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert stop.value.code == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(f"almkd: {uri}: its tables ({before}) are of an earlier version")
        assert said.endswith(f"copy the database, then bring it to this version with "
                             f"mlflow db upgrade {uri}")  # fmt: skip
        assert _digest(places.database) == digest
    upgrade = [sys.executable, "-m", "mlflow", "db", "upgrade", uri]
    subprocess.run(upgrade, check=True, capture_output=True)
    assert open_store(places, must_exist=True).sweeps() == []


@pytest.mark.parametrize("by", ["a later MLflow", "Optuna"])
def test_tables_that_are_not_known_are_told_and_left(tmp_path: Path, by: str) -> None:
    places = Places(tmp_path / "runs")
    if by == "Optuna":
        places.runs_dir.mkdir()
        optuna.storages.RDBStorage(f"sqlite:///{places.database}").engine.dispose()
    else:
        open_store(places)
        with contextlib.closing(sqlite3.connect(places.database)) as database, database:
            database.execute("UPDATE alembic_version SET version_num = 'f00f00f00f00'")
    digest = _digest(places.database)
    with pytest.raises(BadInput, match=r"does not know its tables .* install the version that"):
        open_store(places)
    assert _digest(places.database) == digest

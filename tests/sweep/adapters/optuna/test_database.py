"""Studies in a database: the same as in a journal, in one transaction for what belongs together."""

import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy
from sqlalchemy.exc import OperationalError

from sweep.adapters.optuna.database import StudyDatabase, check_database, database_url
from sweep.adapters.optuna.studies import OptunaStudies
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.referee.stores import Outcome, PastTrial
from tests.sweep.specs import small_spec
from tests.sweep.stage import studies

CELL = "symmetric-0.4-noisy/alm_kd"
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
EPOCHS = 20


class Server(NamedTuple):
    """A PostgreSQL of these tests' own: its address, and pg_ctl of it."""

    url: str
    control: Callable[..., None]


@contextmanager
def _server() -> Iterator[Server]:
    """One that runs, reached by a socket in its directory."""
    if not BINARIES:
        pytest.skip("no PostgreSQL in /usr/lib/postgresql")
    with tempfile.TemporaryDirectory(prefix="almkd-pg-") as place:
        # The server refuses to run as root.
        as_user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}
        if as_user:
            shutil.chown(place, "postgres")

        def run(program: str, *words: str) -> None:
            command = [str(BINARIES[-1].with_name(program)), "-D", f"{place}/data", *words]
            # To a file: the server keeps what it is given open.
            with Path(place, "output").open("a") as out:
                subprocess.run(command, check=True, stdout=out, stderr=out, cwd="/", **as_user)

        run("initdb", "-U", "almkd", "--auth=trust", "--no-sync")
        options = f"-c listen_addresses= -c unix_socket_directories={place} -c fsync=off"
        control = partial(run, "pg_ctl", "-w", "-o", options, "-m", "immediate")
        control("start")
        try:
            yield Server(f"postgresql://almkd@/postgres?host={place}", control)
        finally:
            control("stop")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a server."""
    with _server() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'studies.db'}"
    server: str = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(database_url(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.replace("/postgres?", f"/{name}?")


def _plan() -> Plan:
    return Plan(small_spec())


def _live_through(kept: OptunaStudies) -> None:
    """Two generations: ended in every way, with curves; the second is broken off."""
    kept.ask(CELL, 3)
    for epoch in range(1, EPOCHS + 1):
        kept.report(CELL, epoch, {n: 10.0 * n + epoch for n in range(3)})
        kept.judge(CELL, epoch, [0, 1, 2])
    ends = [
        Outcome(0, "pruned"),
        Outcome(1, "failed", reason="burnt"),
        Outcome(2, "complete", 40.0),
    ]
    kept.tell(CELL, ends)
    kept.ask(CELL, 3)
    kept.report(CELL, 1, {3: 1.0, 4: 2.0, 5: 3.0})
    kept.tell(CELL, [Outcome(4, "pruned"), Outcome(5, "interrupted")])


def _history(kept: OptunaStudies) -> list[PastTrial]:
    return kept.history(CELL)


def test_resumed_from_a_database_it_is_as_from_a_journal(url: str, tmp_path: Path) -> None:
    plan = _plan()
    check_database(url)
    first = OptunaStudies(plan, url)
    _live_through(first)
    _live_through(studies(plan, tmp_path))
    first.close()
    again, journal = OptunaStudies(plan, url), studies(plan, tmp_path)
    assert _history(again) == _history(journal)
    assert [t.state for t in _history(again)][:3] == ["pruned", "failed", "complete"]
    # The broken generation is lived through again, then another is asked: the same questions.
    for kept in (again, journal):
        kept.report(CELL, 1, {3: 1.0, 5: 3.0})
        kept.judge(CELL, 1, [3, 5])
        kept.tell(CELL, [Outcome(3, "complete", 5.0), Outcome(5, "complete", 6.0)])
    assert again.ask(CELL, 3) == journal.ask(CELL, 3)
    again.close()


def test_a_generation_is_two_transactions_and_its_curves_a_statement_a_trial(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = OptunaStudies(_plan(), url)
    engine = kept._storage.engine
    commits, curves = [], []
    sqlalchemy.event.listen(engine, "commit", lambda _: commits.append(1))

    def note(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO trial_intermediate_values"):
            curves.append(statement)

    sqlalchemy.event.listen(engine, "before_cursor_execute", note)
    kept.ask(CELL, 3)
    assert len(commits) == 1
    for epoch in range(1, EPOCHS + 1):
        kept.report(CELL, epoch, {n: float(n) for n in range(3)})
    kept.tell(CELL, [Outcome(n, "complete", float(n)) for n in range(3)])
    assert len(commits) == 2
    assert len(curves) == 3
    kept.close()


def test_what_is_written_together_is_there_whole_or_not_at_all(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = _plan()
    kept = OptunaStudies(plan, url)
    kept.ask(CELL, 3)
    kept.report(CELL, 1, {0: 1.0, 1: 2.0, 2: 3.0})
    write, told = StudyDatabase.set_intermediate_values, []

    def fails_the_second_time(self: StudyDatabase, trial_id: int, values: dict[int, float]) -> None:
        told.append(trial_id)
        if len(told) == 2:
            raise ConnectionError("gone")
        write(self, trial_id, values)

    monkeypatch.setattr(StudyDatabase, "set_intermediate_values", fails_the_second_time)
    with pytest.raises(ConnectionError):
        kept.tell(CELL, [Outcome(n, "complete", 1.0) for n in range(3)])
    kept.close()
    again = OptunaStudies(plan, url)
    assert {t.state for t in again.history(CELL)} == {"running"}
    again.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://me:s3cret@127.0.0.1:1/x", r"postgresql\+psycopg://me:\*\*\*@.*cannot be"),
        ("nonsense", "is no URL of a database"),
        ("sqlite:////no/such/place/x.db", "cannot be opened"),
        ("nodb://me:s3cret@h/x", r"nodb://me:\*\*\*@h/x: "),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    url: str, message: str
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        check_database(url)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v3.0.0.a", r"are of an earlier version than .*optuna storage upgrade --storage URL"),
        ("v99.0.0.a", r"does not know its tables \(v99\.0\.0\.a\).* install the version that"),
    ],
)
def test_tables_of_another_version_of_optuna_are_told_with_the_way_forward(
    tmp_path: Path, version: str, said: str
) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    check_database(url)
    StudyDatabase(url).close()
    check_database(url)
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(f"UPDATE alembic_version SET version_num = '{version}'"))
    engine.dispose()
    for use in (check_database, StudyDatabase):
        with pytest.raises(BadInput, match=f"ALMKD_OPTUNA_URL sqlite:///.*{said}"):
            use(url)


def test_a_database_that_is_restarted_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with _server() as server:
        kept = OptunaStudies(_plan(), server.url)
        kept.ask(CELL, 3)
        server.control("stop")
        pauses: list[float] = []

        def start(seconds: float) -> None:
            if not pauses:
                server.control("start")
            pauses.append(seconds)

        monkeypatch.setattr(time, "sleep", start)
        kept.report(CELL, 1, {0: 1.0})
        kept.tell(CELL, [Outcome(0, "pruned")])
        assert pauses
        kept.close()
        again = OptunaStudies(_plan(), server.url)
        assert [trial.state for trial in _history(again)] == ["pruned", "running", "running"]
        again.close()


def test_a_database_that_stays_away_is_given_up(tmp_path: Path) -> None:
    (tmp_path / "studies").mkdir()
    storage = StudyDatabase(f"sqlite:///{tmp_path / 'studies' / 'studies.db'}", patience_s=0.0)
    storage.engine.dispose()
    shutil.rmtree(tmp_path / "studies")
    with pytest.raises(OperationalError, match="unable to open"), storage.together():
        raise AssertionError("the block must not begin")

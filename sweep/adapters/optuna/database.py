"""Studies in a database: what a cluster keeps them in.

Optuna's own storage commits every value of every epoch by itself, with two queries before it. Here
what belongs together is one transaction, and a trial's values are one statement.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage, _rdb
from optuna.storages._rdb import models
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from sweep.adapters.table_versions import look_at
from sweep.errors import BadInput

MIGRATIONS = Path(_rdb.__path__[0]) / "alembic"
# How long a database server may take to take up a connection, in seconds.
CONNECTS_WITHIN = 10
# Seconds between two tries of a database that does not answer: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class StudyDatabase(RDBStorage):
    """A storage that can put the writes of a block into one transaction."""

    def __init__(self, url: str, patience_s: float = 0.0) -> None:
        """``patience_s``: how long a database may be away before a block gives up."""
        self._patience_s = patience_s
        try:
            super().__init__(database_url(url), engine_kwargs=_engine_options(url))
        except RuntimeError:
            # Of another version, in Optuna's own words, which name no way for us.
            check_database(url)
            raise
        self.scoped_session = scoped_session(sessionmaker(bind=self.engine, class_=_HeldSession))

    @contextmanager
    def together(self) -> Iterator[None]:
        """What the block writes is committed when it ends well, and not at all if it raises.

        It begins once the database answers, which takes seconds where that is restarted.
        """
        self._await_answer()
        session: Any = self.scoped_session()
        session.held = True
        try:
            yield
            session.held = False
            session.commit()
        except BaseException:
            session.held = False
            session.rollback()
            raise
        finally:
            session.spoiled = False
            session.close()

    def flush(self) -> None:
        """Nothing: outside of such a block every write is committed by itself."""

    def set_intermediate_values(self, trial_id: int, values: Mapping[int, float]) -> None:
        """The objective of a trial by epoch, none of which was there before."""
        model = models.TrialIntermediateValueModel
        rows = []
        for step, value in values.items():
            stored, kind = model.intermediate_value_to_stored_repr(value)
            rows.append(
                {
                    "trial_id": trial_id,
                    "step": step,
                    "intermediate_value": stored,
                    "intermediate_value_type": kind,
                }
            )
        if rows:
            session = self.scoped_session()
            session.execute(sqlalchemy.insert(model), rows)
            session.commit()

    def _await_answer(self) -> None:
        """Wait for the database; its error if that takes too long."""
        began, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                # A connection that is at hand is tried first, and made anew where it has ended.
                self.engine.connect().close()
                return
            except OperationalError:
                if time.monotonic() - began > self._patience_s:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def close(self) -> None:
        """Leave the database."""
        self.engine.dispose()


class _HeldSession(Session):
    """While it is held, Optuna's commits only send what there is, and its ends end nothing."""

    held = False
    spoiled = False

    def commit(self) -> None:
        if not self.held:
            super().commit()
        elif self.spoiled:
            # Optuna tries some writes again; what was written before them is lost by then.
            raise RuntimeError("the database took back a transaction")
        else:
            self.flush()

    def rollback(self) -> None:
        self.spoiled = self.held
        super().rollback()

    def close(self) -> None:
        if not self.held:
            super().close()


def database_url(url: str) -> str:
    """``url`` with the driver that is installed, and a file's place in full.

    BadInput where it is none.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        raise BadInput(
            "ALMKD_OPTUNA_URL: is no URL of a database; give postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    if parts.drivername in ("postgresql", "postgres"):
        parts = parts.set(drivername="postgresql+psycopg")
    if parts.drivername.startswith("sqlite") and parts.database:
        parts = parts.set(database=str(Path(parts.database).resolve()))
    return parts.render_as_string(hide_password=False)


def check_database(url: str) -> None:
    """BadInput if the database cannot be used, or has tables of another version of Optuna; the
    password is not told."""
    shown = make_url(database_url(url)).render_as_string(hide_password=True)
    try:
        engine = sqlalchemy.create_engine(database_url(url), **_engine_options(url))
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
            _refuse_other_tables(connection, shown)
        engine.dispose()
    except ImportError as error:
        raise BadInput(
            f"ALMKD_OPTUNA_URL {shown}: its driver is not installed ({error}); "
            "pip install 'almkd[cluster]' has that of PostgreSQL"
        ) from None
    except SQLAlchemyError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"ALMKD_OPTUNA_URL {shown}: cannot be opened: {reason}") from None


def _refuse_other_tables(connection: Connection, shown: str) -> None:
    tables = look_at(connection, MIGRATIONS)
    if tables is None or tables.are == "the same":
        return
    optuna = f"Optuna {version('optuna')}"
    if tables.are == "earlier":
        raise BadInput(
            f"ALMKD_OPTUNA_URL {shown}: its tables ({tables.found}) are of an earlier version "
            f"than those of {optuna}, which is installed here ({tables.newest}); copy the "
            "database, then bring it to this version with optuna storage upgrade --storage URL"
        )
    raise BadInput(
        f"ALMKD_OPTUNA_URL {shown}: {optuna} does not know its tables ({tables.found}): they are "
        "of a later version, or not Optuna's at all; install the version that wrote them, or take "
        "the copy from before they were upgraded"
    )


def _engine_options(url: str) -> dict[str, Any]:
    options: dict[str, Any] = {"pool_pre_ping": True}
    if make_url(database_url(url)).drivername.startswith("postgresql"):
        options["connect_args"] = {"connect_timeout": CONNECTS_WITHIN}
    return options

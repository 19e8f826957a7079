"""Whether the tables of a tracking database are those of the MLflow that is installed.

Looked at before MLflow opens it: where one of its tables is missing, as in a database of an earlier
version, it changes them all on the spot, without a copy and also for who only reads; and it calls
tables of a later version out of date.
"""

import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import sqlalchemy
from mlflow.store import db_migrations
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from sweep.adapters.mlflow.contact import is_database
from sweep.adapters.table_versions import Tables, look_at
from sweep.errors import BadInput
from sweep.secrets import masked

MIGRATIONS = Path(db_migrations.__file__).parent


def refuse_other_tables(uri: str) -> None:
    """BadInput, with the way forward, where the database at ``uri`` has tables of another version.

    Nothing is said of a server, which looks at its own, nor of a database without tables.
    """
    tables = _tables(uri)
    if tables is None or tables.are == "the same":
        return
    shown, mlflow = masked(uri), f"MLflow {version('mlflow')}"
    if tables.are == "earlier":
        raise BadInput(
            f"{shown}: its tables ({tables.found}) are of an earlier version than those of "
            f"{mlflow}, which is installed here ({tables.newest}); copy the database, then bring "
            f"it to this version with mlflow db upgrade {shown}"
        )
    raise BadInput(
        f"{shown}: {mlflow} does not know its tables ({tables.found}): they are of a later "
        "version, or not MLflow's at all; install the version that wrote them, or take the copy "
        "from before they were upgraded"
    )


def _tables(uri: str) -> Tables | None:
    if uri.startswith("sqlite:///"):
        path = Path(make_url(uri).database or "")
        if not path.is_file():
            return None
        # For who may only read.
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            engine = sqlalchemy.create_engine("sqlite://", creator=lambda: file)
            with engine.connect() as connection:
                return look_at(connection, MIGRATIONS)
    if not is_database(uri):
        return None
    engine = sqlalchemy.create_engine(uri)
    try:
        with engine.connect() as connection:
            return look_at(connection, MIGRATIONS)
    except SQLAlchemyError as error:
        reason = str(error).strip().splitlines()[0]
        raise BadInput(f"--tracking-uri {masked(uri)}: cannot be read: {masked(reason)}") from None
    finally:
        engine.dispose()

"""Whether a tracking store answers, found out within seconds.

MLflow's client tries a server for four minutes and a database for two, without a word. That is for
stores that were there and will be again; the first contact is more often a name that was misspelt.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import sqlalchemy
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.rest_store import RestStore
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.rest_utils import http_request, verify_rest_response
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from sweep.errors import BadInput
from sweep.secrets import masked

# How long the first contact may take with all its tries, and a pause between two, in seconds.
ANSWERS_WITHIN, PAUSE = 8.0, 1.5
DATABASES = ("postgresql", "mysql", "mssql")
SEARCH = "/api/2.0/mlflow/experiments/search"


def check_answers(uri: str, patience_s: float, say: Callable[[str], None] | None = None) -> None:
    """BadInput unless the store at ``uri`` answers: within seconds, or within ``patience_s`` where
    that is longer, of which ``say`` is told."""
    began, said = time.monotonic(), False
    while True:
        spent = time.monotonic() - began
        left = max(patience_s, ANSWERS_WITHIN) - spent
        problem = _problem(uri, max(1.0, min(left, ANSWERS_WITHIN)))
        if not problem:
            return
        if time.monotonic() - began + PAUSE > max(patience_s, ANSWERS_WITHIN / 2):
            raise BadInput(f"--tracking-uri {masked(uri)}: does not answer: {masked(problem)}")
        if say and patience_s and not said:
            say(f"waiting for {masked(uri)}, {patience_s:g} s at most: {masked(problem)}")
            said = True
        time.sleep(PAUSE)


def is_database(uri: str) -> bool:
    """Whether a store is a server of databases, asked without MLflow's own in between."""
    return "://" in uri and uri.partition("://")[0].partition("+")[0] in DATABASES


def _problem(uri: str, within_s: float) -> str:
    """What is wrong with a store; empty if it answers."""
    if uri.startswith("sqlite:///"):
        return _problem_of_file(Path(make_url(uri).database or ""))
    if uri.startswith(("http://", "https://")):
        return _problem_of_server(uri, within_s)
    if is_database(uri):
        return _problem_of_database(uri, within_s)
    return ""


def _problem_of_file(path: Path) -> str:
    if not path.exists():
        return ""  # MLflow makes it
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as file:
            file.execute("PRAGMA schema_version")
    except sqlite3.Error as error:
        return f"{path}: is no database that can be opened ({error})"
    return ""


def _problem_of_server(uri: str, within_s: float) -> str:
    store = _get_store(uri)  # type: ignore[no-untyped-call]
    if not isinstance(store, RestStore):
        return ""
    try:
        answer = http_request(  # type: ignore[no-untyped-call]
            store.get_host_creds(),
            SEARCH,
            "POST",
            max_retries=0,
            timeout=within_s,
            json={"max_results": 1},
        )
        verify_rest_response(answer, SEARCH)
    except MlflowException as error:
        return str(error).strip().splitlines()[0]
    return ""


def _problem_of_database(uri: str, within_s: float) -> str:
    try:
        timeout = {} if uri.startswith("mssql") else {"connect_timeout": int(within_s)}
        engine = sqlalchemy.create_engine(uri, connect_args=timeout)
        with engine.connect():
            pass
        engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        return str(error).strip().splitlines()[0]
    return ""

"""Both databases saved by docker/backup.sh while all runs, and put back by docker/restore.sh."""

import os
import subprocess
import sys
from pathlib import Path

from tests.rehearsal.stack import Stack


def back_up(stack: Stack) -> Path:
    """The directory of the dumps."""
    directory = stack.place / "backup"
    _run(stack, "backup.sh", directory)
    return directory


def restore(stack: Stack, directory: Path) -> None:
    """Empty both databases, put the dumps back, start the MLflow server again."""
    stack.nodes["mlflow"].end()
    for owner in ("mlflow", "optuna"):
        _empty(stack, owner)
    _run(stack, "restore.sh", directory)
    stack.start("mlflow")
    stack.wait("mlflow")


def _run(stack: Stack, script: str, directory: Path) -> None:
    node = stack.nodes["postgres"]
    where = {"ALMKD_SECRETS": str(stack.secrets), "PGHOST": node.host.own}
    subprocess.run(
        [*node.host.enter, stack.programs / script, directory],
        env={**node.environment, **where},
        check=True,
        capture_output=True,
        text=True,
    )


def _empty(stack: Stack, owner: str) -> None:
    """Drop all that is in a database, as its owner."""
    node = stack.nodes["postgres"]
    password = (stack.secrets / f"{owner}_db_password").read_text(encoding="utf-8")
    # The owner of a database may not own its schema, but owns each table.
    drop = (
        "DO $$ DECLARE t record; BEGIN FOR t IN SELECT tablename FROM pg_tables "
        "WHERE schemaname = 'public' LOOP EXECUTE format('DROP TABLE public.%I CASCADE', "
        "t.tablename); END LOOP; END $$"
    )
    program = (
        "import os, psycopg\n"
        "with psycopg.connect() as database:\n"
        "    database.execute(os.environ['DROP'])\n"
    )
    environment = {
        **os.environ,
        "PGPORT": node.environment["PGPORT"],
        "PGHOST": node.host.own,
        "PGUSER": owner,
        "PGDATABASE": owner,
        "PGPASSWORD": password,
        "DROP": drop,
    }
    subprocess.run([*node.host.enter, sys.executable, "-c", program], env=environment, check=True)

"""How far a sweep is, by what both databases hold of it: `progress HOST PORT`.

Answers each line with JSON; with `null` where a database does not answer.

    progress SWEEP    trials that have ended and that run; the same of runs of the tracking store
    curves SWEEP      how many of its runs lack an epoch or have one twice

Passwords: the variables OPTUNA and MLFLOW, for the database and the owner of that name.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

import psycopg

ANSWERS_WITHIN_S = 5
# A run that was interrupted has ended too, but only until it is taken up again.
QUERIES: Mapping[str, tuple[str, str]] = {
    "trials": (
        "optuna",
        "SELECT count(*) FILTER (WHERE state IN ('COMPLETE', 'PRUNED', 'FAIL')),"
        " count(*) FILTER (WHERE state = 'RUNNING')"
        " FROM trials JOIN studies USING (study_id) WHERE study_name LIKE %s || '/%%'",
    ),
    "runs": (
        "mlflow",
        "SELECT count(*) FILTER (WHERE state.value IN ('complete', 'pruned', 'failed')),"
        " count(*) FILTER (WHERE runs.status = 'RUNNING')"
        " FROM runs JOIN tags AS state ON state.run_uuid = runs.run_uuid AND state.key = 'state'"
        " JOIN tags AS sweep ON sweep.run_uuid = runs.run_uuid AND sweep.key = 'sweep'"
        " JOIN tags AS run ON run.run_uuid = runs.run_uuid AND run.key = 'key'"
        " WHERE sweep.value = %s",
    ),
}
# Every epoch that is reported is one that `epochs_trained` has counted.
CURVES = (
    "SELECT count(*) FROM ("
    " SELECT 1 FROM metrics JOIN tags AS sweep USING (run_uuid)"
    " WHERE metrics.key = 'epochs_trained' AND sweep.key = 'sweep' AND sweep.value = %s"
    " GROUP BY run_uuid"
    " HAVING count(*) <> max(step) OR count(DISTINCT step) <> max(step)"
    ") AS broken"
)


class Databases:
    """A connection to each, made when it is needed."""

    def __init__(self, host: str, port: str) -> None:
        self._place: dict[str, Any] = {
            "host": host, "port": port, "connect_timeout": ANSWERS_WITHIN_S, "autocommit": True
        }  # fmt: skip
        self._open: dict[str, psycopg.Connection[Any]] = {}

    def counted(self, sweep: str) -> dict[str, list[int]] | None:
        """Ended and running, of trials and of runs."""
        try:
            return {what: self._counted(*query, sweep) for what, query in QUERIES.items()}
        except psycopg.OperationalError:
            self._open.clear()
            return None

    def broken_curves(self, sweep: str) -> int | None:
        """Runs whose epochs are not there once each."""
        try:
            return self._counted("mlflow", CURVES, sweep)[0]
        except psycopg.OperationalError:
            self._open.clear()
            return None

    def _counted(self, owner: str, query: str, sweep: str) -> list[int]:
        if owner not in self._open:
            password = os.environ[owner.upper()]
            self._open[owner] = psycopg.connect(
                **self._place, user=owner, dbname=owner, password=password
            )
        try:
            return list(self._open[owner].execute(query, (sweep,)).fetchone() or ())
        except psycopg.errors.UndefinedTable:
            # Optuna makes its tables when it first comes.
            return [0, 0]


def main() -> None:
    databases = Databases(*sys.argv[1:3])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        what, sweep = line.split()
        ask = {"progress": databases.counted, "curves": databases.broken_curves}[what]
        sys.stdout.write(f"{json.dumps(ask(sweep))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Asks every door of the stack with the wrong key and with none; the answers as JSON.

`asking CLUSTER TRACKING POSTGRES`: two base addresses and HOST:PORT. An answer is an HTTP status,
or what a database's driver said; 0 stands for a door that opened.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.request

import psycopg

WRONG = "0" * 64
JOB = {"entrypoint": "echo unasked"}
# What reads and what writes, of the dashboard and of the tracking server.
CLUSTER = [
    ("GET", "api/version", None),
    ("GET", "api/jobs/", None),
    ("POST", "api/jobs/", JOB),
    ("PUT", "api/packages/gcs/_ray_pkg_0000000000000000.zip", {}),
    ("GET", "nodes?view=summary", None),
]
TRACKING = [
    ("GET", "", None),
    ("GET", "version", None),
    ("POST", "api/2.0/mlflow/experiments/search", {"max_results": 10}),
    ("POST", "api/2.0/mlflow/experiments/create", {"name": "unasked"}),
    ("POST", "api/2.0/mlflow/runs/create", {"experiment_id": "0"}),
    ("POST", "api/2.0/mlflow/users/create", {"username": "eve", "password": "long enough"}),
    ("GET", "api/2.0/mlflow-artifacts/artifacts", None),
    ("PUT", "api/2.0/mlflow-artifacts/artifacts/unasked.txt", {}),
    ("GET", "ajax-api/2.0/mlflow/experiments/search?max_results=10", None),
]


def main() -> None:
    cluster, tracking, postgres = sys.argv[1:4]
    user = os.environ["MLFLOW_TRACKING_USERNAME"]
    wrong_password = base64.b64encode(f"{user}:{WRONG}".encode()).decode()
    answers = {
        "cluster": _asked(cluster, CLUSTER, ("", f"Bearer {WRONG}")),
        "tracking": _asked(tracking, TRACKING, ("", f"Basic {wrong_password}")),
        "postgres": _databases(postgres),
    }
    sys.stdout.write(json.dumps(answers))


def _asked(
    base: str, doors: list[tuple[str, str, object]], keys: tuple[str, ...]
) -> dict[str, int]:
    found = {}
    for method, path, body in doors:
        for number, key in enumerate(keys):
            request = urllib.request.Request(f"{base}/{path}", method=method)
            request.add_header("Content-Type", "application/json")
            if key:
                request.add_header("Authorization", key)
            if body is not None:
                request.data = json.dumps(body).encode()
            name = ("no key", "wrong key")[number]
            found[f"{method} /{path}, {name}"] = _status(request)
    return found


def _status(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=30):
            return 0
    except urllib.error.HTTPError as error:
        return error.code


def _databases(place: str) -> dict[str, str]:
    host, port = place.split(":")
    found = {}
    for user, database in (("optuna", "optuna"), ("mlflow", "mlflow"), ("postgres", "postgres")):
        for key in ("", WRONG):
            how = "wrong password" if key else "no password"
            try:
                psycopg.connect(
                    host=host, port=port, user=user, dbname=database, password=key
                ).close()
                found[f"{user}, {how}"] = ""
            except psycopg.OperationalError as error:
                found[f"{user}, {how}"] = str(error).strip().splitlines()[0]
    return found


if __name__ == "__main__":
    main()

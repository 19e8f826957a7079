"""Tries to change what a sweep left on the tracking server, with an account that reads.

`reading TRACKING`: the base address; user and password of the administrator, who makes the account,
are in the environment. Prints the statuses of what was tried, and of what may be read, as JSON.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

READER = ("ann", "reads and changes nothing")
# Of the API of 2.0, with what a run, an experiment and a path of theirs stand for.
DOORS = (
    ("POST", "mlflow/experiments/create", {"name": "mine"}),
    ("POST", "mlflow/experiments/update", {"experiment_id": "E", "new_name": "mine"}),
    ("POST", "mlflow/experiments/delete", {"experiment_id": "E"}),
    ("POST", "mlflow/experiments/set-experiment-tag", {"experiment_id": "E", "key": "a"}),
    ("POST", "mlflow/runs/create", {"experiment_id": "E"}),
    ("POST", "mlflow/runs/update", {"run_id": "R", "status": "FAILED"}),
    ("POST", "mlflow/runs/delete", {"run_id": "R"}),
    ("POST", "mlflow/runs/restore", {"run_id": "R"}),
    ("POST", "mlflow/runs/set-tag", {"run_id": "R", "key": "state", "value": "failed"}),
    ("POST", "mlflow/runs/delete-tag", {"run_id": "R", "key": "state"}),
    ("POST", "mlflow/runs/log-parameter", {"run_id": "R", "key": "a", "value": "b"}),
    ("POST", "mlflow/runs/log-metric", {"run_id": "R", "key": "a", "value": 1, "timestamp": 1}),
    ("POST", "mlflow/runs/log-batch", {"run_id": "R", "tags": [{"key": "a", "value": "b"}]}),
    ("POST", "mlflow/runs/log-inputs", {"run_id": "R", "datasets": []}),
    ("POST", "mlflow/logged-models", {"experiment_id": "E", "name": "mine"}),
    ("POST", "mlflow/registered-models/create", {"name": "mine"}),
    ("PUT", "mlflow-artifacts/artifacts/E/R/artifacts/spec.yaml", {}),
    ("PUT", "mlflow-artifacts/artifacts/unasked.txt", {}),
    ("DELETE", "mlflow-artifacts/artifacts/E/R/artifacts/spec.yaml", {}),
    ("DELETE", "mlflow-artifacts/artifacts/E", {}),
    ("POST", "mlflow/users/create", {"username": "eve", "password": "long enough to do"}),
    ("PATCH", "mlflow/users/update-admin", {"username": READER[0], "is_admin": True}),
    ("PATCH", "mlflow/users/update-password", {"username": "almkd", "password": "long enough"}),
    ("DELETE", "mlflow/users/delete", {"username": "almkd"}),
)


def main() -> None:
    base = sys.argv[1]
    password = Path(os.environ["MLFLOW_TRACKING_PASSWORD_FILE"]).read_text(encoding="utf-8")
    admin = (os.environ["MLFLOW_TRACKING_USERNAME"], password.strip())

    def ask(who: tuple[str, str], method: str, path: str, body: Any) -> tuple[int, str]:
        key = base64.b64encode(":".join(who).encode()).decode()
        text = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"{base}/api/2.0/{path}", text, method=method)
        request.add_header("Content-Type", "application/json")
        request.add_header("Authorization", f"Basic {key}")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    account = {"username": READER[0], "password": READER[1]}
    made, _ = ask(admin, "POST", "mlflow/users/create", account)
    _, text = ask(READER, "POST", "mlflow/experiments/search", {"max_results": 10})
    experiment = next(
        one["experiment_id"] for one in json.loads(text)["experiments"] if one["name"] != "Default"
    )
    found = {"experiment_ids": [experiment], "filter": "tags.stage = 'sweep'"}
    read, text = ask(READER, "POST", "mlflow/runs/search", found)
    run = json.loads(text)["runs"][0]["info"]["run_id"]

    def meant(text: Any) -> Any:
        return experiment if text == "E" else run if text == "R" else text

    tried = {}
    for method, path, body in DOORS:
        place = "/".join(map(meant, path.split("/")))
        filled = {name: meant(value) for name, value in body.items()}
        tried[f"{method} {path}"], _ = ask(READER, method, place, filled)
    json.dump({"made": made, "read": read, "tried": tried}, sys.stdout)


if __name__ == "__main__":
    main()

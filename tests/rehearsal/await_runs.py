"""Waits until so many runs of a sweep's stage have ended: `await_runs SWEEP STAGE COUNT`.

Asks MLflow's server as any client does, and imports nothing heavy.
"""

import base64
import json
import os
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

LOOK_EVERY_S = 0.3
WAITS_AT_MOST_S = 300.0


def ended(sweep: str, stage: str) -> int:
    """How many runs of the stage have ended."""
    found = _ask("experiments/search", {"max_results": 1000, "filter": f"name = '{sweep}'"})
    if not found.get("experiments"):
        return 0
    query = {
        "experiment_ids": [found["experiments"][0]["experiment_id"]],
        "filter": f"tags.stage = '{stage}'",
        "max_results": 1000,
    }
    runs = _ask("runs/search", query).get("runs", [])
    return sum(run["info"]["status"] in ("FINISHED", "KILLED", "FAILED") for run in runs)


def _ask(what: str, query: dict[str, Any]) -> Any:
    password = Path(os.environ["MLFLOW_TRACKING_PASSWORD_FILE"]).read_text(encoding="utf-8")
    who = f"{os.environ['MLFLOW_TRACKING_USERNAME']}:{password}".encode()
    request = urllib.request.Request(
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/2.0/mlflow/{what}",
        json.dumps(query).encode(),
        {
            "Authorization": f"Basic {base64.b64encode(who).decode()}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def main() -> None:
    """Prints the count that was reached; exit code 1 if it takes too long."""
    sweep, stage, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    deadline = time.monotonic() + WAITS_AT_MOST_S
    while (seen := ended(sweep, stage)) < count:
        if time.monotonic() > deadline:
            sys.exit(f"only {seen} of {count} runs of {stage} have ended")
        time.sleep(LOOK_EVERY_S)
    sys.stdout.write(f"{seen}\n")


if __name__ == "__main__":
    main()

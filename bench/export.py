"""How long an export of a large store takes, and how much memory.

    python bench/export.py [--runs 10000] [--server]

Fills a store in a temporary directory (SQL inserts in bulk, some 180 values a run), then runs
`almkd export` once per table and format in a process of its own. With --server the store is read
through an MLflow server on this machine, whose access log tells how many requests that took.
Writes bench/results/export.json.
"""

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.store.tracking.dbmodels.models import (
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from processes import DIGITS
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from sweep.adapters.mlflow.store import local_uri
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.spec.reader import read_spec
from sweep.version import code_version

RESULTS = Path(__file__).resolve().parent / "results" / "export.json"
NAME = "bench-export"
EPOCHS = 30
CURVES = ("train_accuracy", "train_loss", "validation_accuracy", "validation_loss")
WEIGHTS = ("lambda_label", "lambda_teacher", "lambda_auroc")
EXPORTS = (
    ("comparison", "csv"),
    ("trials", "csv"),
    ("trials", "parquet"),
    ("curves", "parquet"),
    ("curves", "csv"),
)
BATCH = 500  # runs to an insert
READY_S = 60.0  # a server has so long to start


def main() -> None:
    """Fill, export, write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, help="runs in the store, about")
    parser.add_argument("--server", action="store_true", help="read through an MLflow server too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        runs_dir = Path(place)
        began = time.perf_counter()
        filled = fill(runs_dir, arguments.runs)
        say(f"filled {filled} in {time.perf_counter() - began:.0f} s")
        listing = ["list", "--runs-dir", str(runs_dir)]
        fixed = timed(listing)
        say(f"almkd list, which every command takes at least: {fixed}")
        exports = [measure(runs_dir, *export) for export in EXPORTS]
        if arguments.server:
            exports += served(runs_dir)
    python = f"Python {platform.python_version()}"
    result = {
        "command": f"python bench/export.py {' '.join(sys.argv[1:])}".strip(),
        "code_version": code_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, {python}",
        "store": filled,
        "almkd list": fixed,
        "exports": exports,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    say(f"wrote {RESULTS}")


def fill(runs_dir: Path, runs: int) -> dict[str, int]:
    """A finished sweep of about so many runs; how many rows the store has of what."""
    plan = plan_of(runs)
    places = Places(runs_dir)
    store = open_store(places)
    opened = store.open_sweep(plan)
    rng = np.random.default_rng(0)
    counts = {"runs": 0, "metric_values": 0}
    engine = create_engine(local_uri(places.database))
    with Session(engine) as session:
        batch: list[dict[str, Any]] = []
        for entry in entries(plan):
            batch.append(entry)
            if len(batch) == BATCH:
                insert_runs(session, batch, (opened.experiment_id, opened.parent_id), rng, counts)
                batch = []
        insert_runs(session, batch, (opened.experiment_id, opened.parent_id), rng, counts)
        session.commit()
    store.close_sweep(NAME, "complete")
    return counts


def plan_of(runs: int) -> Plan:
    """bench/digits.yaml with as many trials as make so many runs."""
    fixed = Plan(read_spec(DIGITS, [f"name={NAME}", "search.trials=8"]))
    budget, cells = fixed.budget(), len(fixed.cells)
    trials = max(8, (runs - budget.teachers - budget.confirm_runs) // cells)
    return Plan(read_spec(DIGITS, [f"name={NAME}", f"search.trials={trials}"]))


def entries(plan: Plan) -> Iterator[dict[str, Any]]:
    """Tags of every student's run, with its stage and whether it was pruned."""
    for cell in plan.cells:
        condition = cell.condition
        common = {
            "sweep": NAME,
            "state": "complete",
            "cell": cell.id,
            "method": cell.use.label,
            "noise_kind": condition.noise_kind,
            "noise_rate": repr(condition.noise_rate),
            "teacher_labels": condition.teacher_labels,
            "code_version": "bench",
            "spec_hash": "bench",
        }
        for trial in range(plan.trials_of(cell)):
            own = {"stage": "search", "trial": str(trial), "seed": str(plan.search_seed)}
            key = f"{cell.id}/trial/{trial}"
            yield {**common, **own, "key": key, "cohort": f"{cell.id}/search/{trial // 8}"}
        for seed in plan.confirm_seeds:
            own = {"stage": "confirm", "seed": str(seed), "cohort": f"{cell.id}/confirm"}
            yield {**common, **own, "key": f"{cell.id}/confirm/{seed}"}


def insert_runs(
    session: Session,
    batch: list[dict[str, Any]],
    place: tuple[str, str],
    rng: np.random.Generator,
    counts: dict[str, int],
) -> None:
    """Insert runs with their tags, parameters, latest metrics and curves."""
    experiment_id, parent_id = place
    rows: dict[Any, list[dict[str, Any]]] = {
        model: [] for model in (SqlRun, SqlTag, SqlParam, SqlLatestMetric, SqlMetric)
    }
    for tags in batch:
        run_id = uuid.UUID(bytes=rng.bytes(16)).hex
        start = 1_700_000_000_000 + counts["runs"] * 10
        counts["runs"] += 1
        run = {"run_uuid": run_id, "name": tags["key"], "experiment_id": int(experiment_id)}
        run |= {"source_type": "LOCAL", "user_id": "bench", "status": "FINISHED"}
        run |= {"start_time": start, "end_time": start + 3000, "lifecycle_stage": "active"}
        rows[SqlRun].append(run)
        tagged = {**tags, "mlflow.parentRunId": parent_id, "mlflow.runName": tags["key"]}
        rows[SqlTag] += [{"run_uuid": run_id, "key": k, "value": v} for k, v in tagged.items()]
        values = {"method": tags["method"], "lr": rng.uniform(), "temperature": rng.uniform()}
        rows[SqlParam] += [
            {"run_uuid": run_id, "key": k, "value": str(v)} for k, v in values.items()
        ]
        names = (*CURVES, *WEIGHTS) if tags["method"] == "alm_kd" else CURVES
        for name in names:
            for epoch, value in enumerate(rng.uniform(0, 100, EPOCHS).tolist(), 1):
                rows[SqlMetric].append(point(run_id, name, value, start + epoch, epoch))
        last = {f"best_{name}": rng.uniform(0, 100) for name in names}
        last |= {"epochs_trained": float(EPOCHS), "best_epoch": 20.0}
        if tags["stage"] == "confirm":
            last |= {"test_accuracy": rng.uniform(80, 100), "test_loss": rng.uniform()}
        closing = [point(run_id, k, v, start + EPOCHS + 1, EPOCHS) for k, v in last.items()]
        rows[SqlMetric] += closing
        rows[SqlLatestMetric] += closing + [
            point(run_id, name, 1.0, start + EPOCHS, EPOCHS) for name in names
        ]
    counts["metric_values"] += len(rows[SqlMetric])
    for model, values in rows.items():
        if values:
            session.execute(insert(model.__table__), values)


def point(run_id: str, name: str, value: float, when: int, epoch: int) -> dict[str, Any]:
    """A row of a table of metrics."""
    return {
        "run_uuid": run_id, "key": name, "value": value, "timestamp": when, "step": epoch,
        "is_nan": False,
    }  # fmt: skip


def measure(runs_dir: Path, table: str, form: str, uri: str | None = None) -> dict[str, Any]:
    """One export: seconds, the most memory it held, the size of its file."""
    out = runs_dir / f"{table}.{form}"
    options = ["--table", table, "--format", form, "--out", str(out), "--runs-dir", str(runs_dir)]
    options += ["--tracking-uri", uri] if uri else []
    taken = timed(["export", NAME, *options])
    through = "server" if uri else "database"
    say(f"{table} {form} from a {through}: {taken}")
    size = round(out.stat().st_size / 1e6, 2)
    return {"table": table, "format": form, "through": through, **taken, "file_mb": size}


def timed(arguments: list[str]) -> dict[str, float]:
    """Run almkd in a process of its own: seconds, and the most memory it held."""
    command = [sys.executable, "-c", "from sweep.cli import main; main()", *arguments]
    began = time.perf_counter()
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, stdout=nowhere)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    seconds = round(time.perf_counter() - began, 2)
    return {"seconds": seconds, "peak_memory_mb": round(usage.ru_maxrss / 1024)}


def say(line: str) -> None:
    """A line for whoever waits."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def served(runs_dir: Path) -> list[dict[str, Any]]:
    """The same through an MLflow server, with the requests that each export made."""
    results = []
    with server(runs_dir) as (uri, log):
        for table, form in EXPORTS[:4]:
            before = requests_in(log)
            result = measure(runs_dir, table, form, uri)
            results.append({**result, "requests": requests_in(log) - before})
    return results


def requests_in(log: Path) -> int:
    """How many requests a server has logged."""
    return sum("HTTP/1.1" in line for line in log.read_text(encoding="utf-8").splitlines())


@contextmanager
def server(runs_dir: Path) -> Iterator[tuple[str, Path]]:
    """An MLflow server over the store, on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = runs_dir / "server.log"
    store = local_uri(Places(runs_dir).database)
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--artifacts-destination", str(runs_dir / "artifacts")]
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}", log
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_for(url: str) -> None:
    """Return once a page answers; TimeoutError if it does not."""
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(url)


if __name__ == "__main__":
    main()

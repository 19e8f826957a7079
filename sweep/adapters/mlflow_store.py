"""Sweeps in MLflow: the experiment and parent run of each, and reading its runs back.

Everything that compare and export need comes from here, on any machine that reaches the store.
"""

import json
import logging
import math
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Read by MLflow where it is used: a bar for one small file is noise.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import pandas as pd
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from sweep.adapters.mlflow_tracking import EPOCHS, STATUS, KnownRun, SweepRuns
from sweep.compare.records import SweepRecord, trial_columns
from sweep.errors import BadInput, unknown
from sweep.plan import Plan, spec_hash
from sweep.spec import UNITS, SweepSpec
from sweep.spec_reader import check_spec
from sweep.states import State
from sweep.version import code_version

SPEC_FILE = "spec.yaml"
RUNS_PER_PAGE = 1000
LIBRARIES = ("torch", "ray", "optuna", "mlflow", "numpy", "pandas", "scipy")


def local_uri(runs_dir: Path) -> str:
    """The store that is used where none is named: SQLite in the runs directory."""
    return f"sqlite:///{(runs_dir / 'mlflow.db').resolve()}"


class MlflowStore:
    """The sweeps of one tracking store."""

    def __init__(self, uri: str, artifacts: Path | None = None) -> None:
        """``artifacts``: where a local store puts files; a server knows its own place."""
        self.uri = uri
        self._artifacts = artifacts
        logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._client.search_experiments(max_results=1)
        except MlflowException as error:
            raise BadInput(f"--tracking-uri {uri}: cannot be opened: {error}") from None

    def open_sweep(self, plan: Plan) -> SweepRuns:
        """The sweep of that name, made if it is new; BadInput if it was another spec."""
        spec = plan.spec
        experiment = self._client.get_experiment_by_name(spec.name)
        if experiment is None:
            place = self._artifacts / spec.name if self._artifacts else None
            uri = place.resolve().as_uri() if place else None
            experiment_id = self._client.create_experiment(spec.name, artifact_location=uri)
        else:
            experiment_id = experiment.experiment_id
        parent = self._parent(experiment_id)
        if parent is None:
            return SweepRuns(self.uri, experiment_id, self._create_parent(plan, experiment_id))
        _refuse_change(self._spec_of(parent), spec)
        self._client.update_run(parent.info.run_id, status="RUNNING")
        self._client.set_tag(parent.info.run_id, "state", "running")
        children = {
            run.data.tags["key"]: _known(run)
            for run in self._children(experiment_id, parent.info.run_id)
        }
        return SweepRuns(self.uri, experiment_id, parent.info.run_id, children)

    def is_complete(self, plan: Plan) -> bool:
        """Whether this very sweep has run to its end; BadInput if the name was another spec."""
        try:
            parent = self._find(plan.spec.name)
        except BadInput:
            return False
        _refuse_change(self._spec_of(parent), plan.spec)
        return str(parent.data.tags.get("state")) == "complete"

    def close_sweep(self, name: str, state: State) -> None:
        """Set the parent run's end and true status."""
        run_id = self._find(name).info.run_id
        self._client.set_tag(run_id, "state", state)
        self._client.set_terminated(run_id, STATUS[state])

    def log_outputs(self, name: str, directory: Path) -> None:
        """Tables, figures and report of a sweep, as artifacts of its parent run."""
        self._client.log_artifacts(self._find(name).info.run_id, str(directory), "results")

    def sweeps(self) -> list[dict[str, str]]:
        """Every sweep of the store: name, state, when it started, its description."""
        rows = []
        for experiment in self._client.search_experiments(order_by=["name ASC"]):
            parent = self._parent(experiment.experiment_id)
            if parent is not None:
                started = pd.Timestamp(parent.info.start_time, unit="ms", tz="UTC")
                rows.append(
                    {
                        "sweep": experiment.name,
                        "state": parent.data.tags["state"],
                        "started": started.strftime("%Y-%m-%d %H:%M UTC"),
                        "description": parent.data.tags.get("description", ""),
                    }
                )
        return rows

    def spec(self, name: str) -> SweepSpec:
        """The spec that a sweep was launched with."""
        return self._spec_of(self._find(name))

    def record(self, name: str) -> SweepRecord:
        """What the store knows of a sweep, ready to be compared."""
        parent = self._find(name)
        plan = Plan(self._spec_of(parent))
        spec = plan.spec
        runs = self._children(parent.info.experiment_id, parent.info.run_id)
        rows = [_row(run, spec.objective.metric) for run in runs]
        return SweepRecord(
            name=spec.name,
            dataset=spec.data.dataset,
            metric=spec.objective.metric,
            unit=UNITS[spec.objective.metric],
            direction=spec.objective.direction,
            methods=tuple(use.label for use in spec.methods),
            baselines=plan.baselines,
            conditions=plan.conditions,
            confirm_seeds=plan.confirm_seeds,
            planned_trials={cell.use.label: plan.trials_of(cell) for cell in plan.cells},
            trials=_frame(rows, spec.objective.metric),
        )

    def _find(self, name: str) -> Run:
        experiment = self._client.get_experiment_by_name(name)
        parent = self._parent(experiment.experiment_id) if experiment else None
        if parent is None:
            known = [row["sweep"] for row in self.sweeps()]
            what = (
                unknown("sweep of this store", name, known)
                if known
                else (f"{name!r}: this store holds no sweep yet; run almkd launch first")
            )
            raise BadInput(f"{what} ({self.uri})")
        return parent

    def _parent(self, experiment_id: str) -> Run | None:
        found = self._client.search_runs(
            [experiment_id], "tags.stage = 'sweep'", ViewType.ACTIVE_ONLY, max_results=1
        )
        return found[0] if found else None

    def _children(self, experiment_id: str, parent_id: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [experiment_id],
                f"tags.mlflow.parentRunId = '{parent_id}'",
                max_results=RUNS_PER_PAGE,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _create_parent(self, plan: Plan, experiment_id: str) -> str:
        tags = {
            "stage": "sweep",
            "state": "running",
            "sweep": plan.spec.name,
            "spec_hash": spec_hash(plan.spec),
            "code_version": code_version(),
            "description": plan.spec.description,
        }
        run = self._client.create_run(experiment_id, tags=tags, run_name=plan.spec.name)
        run_id: str = run.info.run_id
        text = yaml.safe_dump(plan.spec.model_dump(mode="json"), sort_keys=False)
        self._client.log_text(run_id, text, SPEC_FILE)
        self._client.log_dict(run_id, environment(), "environment.json")
        return run_id

    def _spec_of(self, parent: Run) -> SweepSpec:
        with tempfile.TemporaryDirectory() as place:
            path = self._client.download_artifacts(parent.info.run_id, SPEC_FILE, place)
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        return check_spec(data, f"{SPEC_FILE} of {parent.info.run_name}")


def environment() -> dict[str, Any]:
    """What a result may depend on beside the spec."""
    return {
        "almkd": code_version(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "machine": platform.machine(),
        **{name: version(name) for name in LIBRARIES},
    }


def _refuse_change(before: SweepSpec, now: SweepSpec) -> None:
    """BadInput where a spec differs from the one that its name was launched with."""
    differing = _differences(before.model_dump(mode="json"), now.model_dump(mode="json"), "")
    if differing:
        raise BadInput(
            f"the sweep {now.name!r} was launched with another spec; these fields differ: "
            f"{'; '.join(differing)}. Give the new one its own name, e.g. --set "
            f"name={now.name}-2"
        )


def _differences(before: Any, now: Any, path: str) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        keys = sorted({*before, *now})
        found = (_differences(before.get(k), now.get(k), f"{path}.{k}") for k in keys)
        return [line for lines in found for line in lines]
    return [] if before == now else [f"{path.lstrip('.')}: {before!r} before, {now!r} now"]


def _known(run: Run) -> KnownRun:
    epochs = int(run.data.metrics.get(EPOCHS, 0))
    state: State = next(s for s in STATUS if s == run.data.tags["state"])
    return KnownRun(run.info.run_id, state, epochs)


def _value(text: str) -> str | int | float:
    """A parameter as it was before the store made text of it."""
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _row(run: Run, metric: str) -> dict[str, Any]:
    tags, metrics = run.data.tags, run.data.metrics
    end = run.info.end_time
    params = {k: _value(v) for k, v in run.data.params.items() if k != "method"}
    return {
        "sweep": tags["sweep"],
        "stage": tags["stage"],
        "cell": tags.get("cell", ""),
        "method": tags["method"],
        "noise_kind": tags["noise_kind"],
        "noise_rate": float(tags["noise_rate"]),
        "teacher_labels": tags.get("teacher_labels", ""),
        "trial": int(tags["trial"]) if "trial" in tags else None,
        "seed": int(tags["seed"]),
        "state": tags["state"],
        "reason": tags.get("reason"),
        f"validation_{metric}": metrics.get(f"best_validation_{metric}", math.nan),
        "best_epoch": int(metrics["best_epoch"]) if "best_epoch" in metrics else None,
        f"test_{metric}": metrics.get(f"test_{metric}", math.nan),
        "epochs_trained": int(metrics.get(EPOCHS, 0)),
        "wall_s": (end - run.info.start_time) / 1000 if end else math.nan,
        "params": json.dumps(params, sort_keys=True),
        "run_id": run.info.run_id,
    }


def _frame(rows: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(trial_columns(metric)))
    return frame.astype({"trial": "Int64", "best_epoch": "Int64"})

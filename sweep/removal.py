"""Taking away what a runs directory holds: whole sweeps, and what can be had again."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.adapters.mlflow.run_files import PREDICTIONS_FILE, STUDENT
from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.optuna.studies import delete_studies
from sweep.compare.confirm_runs import Wanted, select, winners
from sweep.errors import BadInput, SweepFailed
from sweep.lock import is_locked, locked
from sweep.places import Places
from sweep.plan.plan import Plan


@dataclass(frozen=True)
class Garbage:
    """Files that can go: those on this disk, and those of runs by run and name."""

    files: tuple[Path, ...] = ()
    artifacts: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.artifacts)


def unnamed_teachers(places: Places, store: MlflowStore) -> Garbage:
    """Teachers that no sweep of the store names: each would be trained anew if one did again."""
    if not places.teachers.is_dir():
        return Garbage()
    named = set[str]()
    for row in store.sweeps():
        named |= _teachers_of(row["sweep"], store)
    files = sorted(places.teachers.glob("*.safetensors"))
    return Garbage(tuple(file for file in files if file.stem not in named))


def other_students(names: Sequence[str], store: MlflowStore) -> Garbage:
    """Students that are not the best of their cell; `almkd students` trains one again."""
    files, found = store.artifacts(), []
    for name in names:
        record = store.record(name)
        runs = select(record, Wanted())
        best = {run.run_id for run in winners(record, runs)}
        found += [
            (run.run_id, STUDENT)
            for run in runs
            if run.run_id not in best and files.has(run.run_id, STUDENT)
        ]
    return Garbage(artifacts=tuple(found))


def all_predictions(names: Sequence[str], store: MlflowStore) -> Garbage:
    """What confirm runs said of each test example."""
    files = store.artifacts()
    runs = [run for name in names for run in select(store.record(name), Wanted())]
    return Garbage(
        artifacts=tuple(
            (run.run_id, PREDICTIONS_FILE)
            for run in runs
            if files.has(run.run_id, PREDICTIONS_FILE)
        )
    )


def size(garbage: Garbage, store: MlflowStore) -> int:
    """Its bytes."""
    artifacts = store.artifacts()
    on_disk = sum(file.stat().st_size for file in garbage.files)
    of_runs = sum(artifacts.bytes(run_id, name) for run_id, name in garbage.artifacts)
    return on_disk + of_runs


def delete(garbage: Garbage, store: MlflowStore) -> None:
    """Delete it for good."""
    for file in garbage.files:
        file.unlink(missing_ok=True)
    artifacts = store.artifacts()
    for run_id, name in garbage.artifacts:
        artifacts.delete(run_id, name)


def refuse_while_running(names: Sequence[str], places: Places) -> None:
    """BadInput where a launch on this machine is at work on one of these sweeps."""
    for name in names:
        if is_locked(places.sweep(name)):
            raise BadInput(f"{name}: is being run; wait for it, or end it with almkd stop {name}")


def remove(name: str, places: Places, store: MlflowStore) -> None:
    """Delete a sweep: its runs with their files, its studies, its directory.

    Teachers stay, as other sweeps may name them. Of an MLflow server the experiment goes to the
    server's trash.
    """
    experiment = store.trashed(name)
    with locked(places.sweep(name), name):
        if experiment is None:
            experiment = store.experiment(name)
            if places.optuna_url:
                delete_studies(Plan(store.spec(name)), places.optuna_url)
            store.delete_experiment(experiment)
        # Goes on from here where it was broken off before.
        if not places.tracking_uri:
            _empty_trash(store, experiment)
            shutil.rmtree(places.artifacts / name, ignore_errors=True)
        shutil.rmtree(places.sweep(name))


def refuse_registered(name: str, store: MlflowStore) -> None:
    """BadInput where MLflow's registry has a model of the sweep."""
    if store.trashed(name) is None and (registered := store.registered(name)):
        raise BadInput(
            f"{name}: {', '.join(registered)} of MLflow's registry is a student of it; delete that "
            "there first, or keep the sweep"
        )


def _teachers_of(name: str, store: MlflowStore) -> set[str]:
    spec = store.spec(name)
    plan = Plan(spec, store.content(Plan(spec)).in_keys)
    return {teacher for job in plan.jobs for teacher in job.names}


def _empty_trash(store: MlflowStore, experiment: str) -> None:
    """Have MLflow delete a deleted experiment of a local store for good, files included."""
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store.uri]
    command += ["--tracking-uri", store.uri, "--experiment-ids", experiment]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise SweepFailed(f"mlflow gc failed ({' '.join(reason)}); the same command goes on")

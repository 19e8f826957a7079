"""Whole sweeps: on Ray as `launch` runs them, and in this process, one cohort after another."""

import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweep import cli
from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.ray import referee_actor
from sweep.adapters.ray.dispatch import Worker
from sweep.adapters.ray.referee_actor import ALL_DONE, RefereeActor, Stores
from sweep.compare.records import SweepRecord
from sweep.inputs import load_given
from sweep.places import Places, open_store
from sweep.plan.content import fingerprints
from sweep.plan.data_inputs import data_inputs
from sweep.plan.plan import Plan
from sweep.referee.reports import Reports
from sweep.results import Shown
from sweep.run import launch
from sweep.spec.spec import SweepSpec
from sweep.training import Checkpoints, take_given, train
from tests.sweep.specs import SMALL, small_spec
from trainers.loading import content_key, load_dataset

# Stands for the process that trains; no process has this number.
NOBODY = Worker(actor=b"", node="", pid=2**22 + 1)


def end_to_end_spec() -> SweepSpec:
    """Two noise rates; the methods of the digits preset and one row of a fixed alpha."""
    half = {"method": "fixed_kd", "label": "alpha-half", "pin": {"alpha": 0.5, "lr": 0.1}}
    return small_spec({"name": "tiny", "methods": [*SMALL["methods"], half]})


def launched(spec: SweepSpec, places: Places, lines: Path | None = None) -> Shown:
    """The sweep on Ray, its progress written to ``lines``."""
    if lines is None:
        return launch(spec, places, Console(quiet=True))
    with lines.open("a", encoding="utf-8") as file:
        return launch(spec, places, Console(file=file, width=120), profile=True)


def launched_in_process(
    spec: SweepSpec, places: Places, monkeypatch: pytest.MonkeyPatch
) -> SweepRecord:
    """What the same sweep leaves in the same stores without Ray: one cohort at a time."""
    store = open_store(places)
    actor = actor_in_process(spec, places, store, monkeypatch)
    while (cohort := actor.next_cohort()) != ALL_DONE:
        train_in_process(actor, cohort)
    actor.close(interrupted=False)
    actor._referee._studies.close()
    store.close_sweep(spec.name, "complete")
    return store.record(spec.name)


def actor_in_process(
    spec: SweepSpec, places: Places, store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> RefereeActor:
    """The referee with its stores, as each launch begins with it."""
    monkeypatch.setattr(referee_actor.ray, "put", lambda array: array)
    places.sweep(spec.name).mkdir(parents=True, exist_ok=True)
    settings = [cell.spec.data_settings() for cell in Plan(spec).cells]
    datasets = {content_key(s): load_dataset(s) for s in settings}
    found = fingerprints(spec, datasets)
    stores = Stores(
        store.open_sweep(Plan(spec, found), data_inputs(spec, datasets, found)),
        places.sweep(spec.name) / "mlflow.spool",
        str(places.journal(spec.name)),
        places.runs_dir / "teachers",
        places.checkpoints(spec.name),
    )
    return RefereeActor(spec, stores, {**datasets, **load_given(Plan(spec), datasets)})


def train_in_process(
    actor: RefereeActor, cohort: str, clock: Callable[[], float] | None = None
) -> None:
    """What a worker does with a cohort; by default its epochs take so long that none gathers."""
    dispatch = actor.fetch(cohort, NOBODY)

    reports = Reports(
        dispatch.task.spec.training.epochs,
        dispatch.judged_from,
        partial(actor.report, cohort),
        clock or count().__next__,
    )

    def save(lanes: Sequence[str], epoch: int, state: bytes) -> None:
        reports.flush()
        actor.save(cohort, lanes, epoch, state)

    checkpoints = Checkpoints(dispatch.checkpoint, save, dispatch.save_every_s)
    if dispatch.given:
        outcomes, teachers = take_given(dispatch.task, dispatch.dataset[0], dispatch.given[0])
    else:
        outcomes, teachers = train(
            dispatch.task,
            dispatch.dataset[0],
            dispatch.outputs,
            reports.report,
            dispatch.weights,
            checkpoints,
        )
    arrays = {
        key: (t.outputs, {name: p.numpy() for name, p in t.parameters.items()})
        for key, t in teachers.items()
    }
    actor.finish(cohort, outcomes, arrays, {})


def runs_of(store: MlflowStore, name: str) -> list[Any]:
    """Every run of a sweep as the plain client of MLflow finds it."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=store.uri)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=5000))


def almkd(*words: str) -> tuple[int | str | None, str]:
    """A command: exit code, what it said beside."""
    beside = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(beside):
        patch.setattr(sys, "argv", ["almkd", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
    return stop.value.code, beside.getvalue()

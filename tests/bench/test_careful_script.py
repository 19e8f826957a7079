"""The script that speed is measured against does what it says: read back from its own stores."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from scipy import stats

from sweep.plan.plan import Plan
from sweep.spec.reader import read_spec

ROOT = Path(__file__).parents[2]
CHANGES = {
    "conditions": {"noise_rate": [0.4]},
    "methods": [{"method": "fixed_kd", "baseline": True}, {"method": "labels_only"}],
    "search.trials": 6,
    "search.own": {},
    "search.pruner": {"name": "median", "n_startup_trials": 1, "n_warmup_steps": 1},
    "search.sampler.n_startup_trials": 3,
    "confirm.seeds": 3,
    "teacher.training.epochs": 2,
    "student.training.epochs": 4,
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A run on a small spec, and what it was of."""
    place = tmp_path_factory.mktemp("careful")
    spec = read_spec(ROOT / "bench" / "digits.yaml", CHANGES)
    (place / "spec.yaml").write_text(spec.model_dump_json(), encoding="utf-8")
    options = {"--spec": place / "spec.yaml", "--runs-dir": place / "runs", "--out": place}
    words = [str(word) for option in options.items() for word in option]
    command = [sys.executable, str(ROOT / "bench" / "careful_script.py"), *words]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=300)
    return Plan(spec), place


def test_studies_and_runs_hold_every_trial(ran: tuple[Plan, Path]) -> None:
    plan, place = ran
    client = MlflowClient(f"sqlite:///{place}/runs/mlflow.db")
    experiment = client.get_experiment_by_name(plan.spec.name)
    assert experiment
    runs = client.search_runs([experiment.experiment_id])
    by_name = {run.info.run_name: run for run in runs}
    assert len(runs) == len(by_name) == 2 * (6 + 3)
    assert {run.info.status for run in runs} == {"FINISHED"}
    trial_epochs, pruned = 0, 0
    for number, search in enumerate(plan.searches):
        storage = JournalStorage(JournalFileBackend(str(place / f"runs/studies/{number}.journal")))
        study = optuna.load_study(study_name=search.id, storage=storage)
        assert len(study.trials) == 6
        for trial in study.trials:
            run = by_name[f"{search.id}/trial/{trial.number}"]
            history = client.get_metric_history(run.info.run_id, "validation_accuracy")
            curve = {point.step: point.value for point in history}
            assert curve == trial.intermediate_values
            assert {name: run.data.params[name] for name in trial.params} == {
                name: str(value) for name, value in trial.params.items()
            }
            if trial.state == TrialState.COMPLETE:
                assert len(curve) == 4
                assert trial.value == max(curve.values())
            else:
                assert trial.state == TrialState.PRUNED
                pruned += 1
            trial_epochs += len(curve)
        for seed in search.confirmed:
            run = by_name[f"{search.id}/confirm/{seed}"]
            assert {name: run.data.params[name] for name in study.best_params} == {
                name: str(value) for name, value in study.best_params.items()
            }
    assert pruned
    result = pd.read_json(place / "careful_script.json", typ="series")
    assert result["trials"] == len(runs)
    assert result["trial_epochs"] == trial_epochs + 2 * 3 * 4


def test_the_table_is_of_the_confirm_runs(ran: tuple[Plan, Path]) -> None:
    plan, place = ran
    client = MlflowClient(f"sqlite:///{place}/runs/mlflow.db")
    experiment = client.get_experiment_by_name(plan.spec.name)
    assert experiment
    tested = {
        run.info.run_name: run.data.metrics["final_test_accuracy"]
        for run in client.search_runs([experiment.experiment_id])
        if run.data.params["stage"] == "confirm"
    }
    values = {
        search.cell.use.label: np.array(
            [tested[f"{search.id}/confirm/{seed}"] for seed in search.confirmed]
        )
        for search in plan.searches
    }
    table = pd.read_csv(place / "runs" / "table.csv").set_index("method")
    for method, of in values.items():
        assert table.loc[method, "mean"] == pytest.approx(of.mean())
        assert table.loc[method, "std"] == pytest.approx(of.std(ddof=1))
    row, (a, b) = table.loc["labels_only"], (values["labels_only"], values["fixed_kd"])
    d = a - b
    assert row["difference"] == pytest.approx(d.mean())
    t = d.mean() / (d.std(ddof=1) / np.sqrt(3))
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(t), 2))
    assert d.min() <= row["low"] <= d.mean() <= row["high"] <= d.max()

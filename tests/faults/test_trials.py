"""Trials that diverge or raise: they fail with their reason, and nothing else does."""

import os
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tests.faults.launcher import SPEC, run, table, write_spec

# Loaded by every Python process of the launch: distillation with much of the teacher raises.
SABOTAGE = """
import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec

class Saboteur(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name != "trainers.fixed_kd":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(name)
        whole = spec.loader.exec_module
        def exec_module(module):
            whole(module)
            losses = module.FixedKd.losses
            def raising(self, batch, z):
                if (self.values.numbers["alpha"] > 0.5).any():
                    raise RuntimeError("out of something")
                return losses(self, batch, z)
            module.FixedKd.losses = raising
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Saboteur())
"""
HOPELESS = "  - {method: cross_entropy, label: hopeless, pin: {lr: 1.0e+30}}\n"
SHARED = "  shared: {weight_decay: {low: 1.0e-5, high: 1.0e-3, log: true}}\n"


@pytest.fixture(scope="module")
def output_and_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    place = tmp_path_factory.mktemp("trials")
    (place / "sitecustomize.py").write_text(SABOTAGE)
    text = SPEC.replace("search:\n", HOPELESS + "search:\n" + SHARED)
    path = os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")])
    output = run(write_spec(place, text), place / "runs", environment={"PYTHONPATH": path})
    return output, place / "runs"


def trials(runs: Path, method: str) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(runs / "faults" / "optuna.journal")))
    study = optuna.load_study(study_name=f"faults/symmetric-0.4-noisy/{method}", storage=storage)
    return study.trials


def test_only_the_trials_that_raise_fail(output_and_runs: tuple[str, Path]) -> None:
    _, runs = output_and_runs
    found = trials(runs, "fixed_kd")
    assert len(found) == 9
    raised = {t.number for t in found if t.params["alpha"] > 0.5}
    assert raised
    assert raised == {t.number for t in found if t.state == TrialState.FAIL}
    assert all("out of something" in found[n].user_attrs["reason"] for n in raised)
    assert {t.state for t in found} >= {TrialState.COMPLETE, TrialState.FAIL}


def test_only_the_lanes_that_diverge_fail(output_and_runs: tuple[str, Path]) -> None:
    _, runs = output_and_runs
    assert {t.state for t in trials(runs, "hopeless")} == {TrialState.FAIL}
    assert all("diverged" in t.user_attrs["reason"] for t in trials(runs, "hopeless"))
    assert TrialState.FAIL not in {t.state for t in trials(runs, "alm_kd")}


def test_a_cell_whose_trials_all_failed_shows_as_failed(output_and_runs: tuple[str, Path]) -> None:
    output, runs = output_and_runs
    rows = table(runs).set_index("method")
    assert rows.loc["hopeless", "n_seeds"] == 0
    assert rows.loc["hopeless", "n_trials"] == 9
    assert rows.loc["fixed_kd", "n_seeds"] == rows.loc["alm_kd", "n_seeds"] == 3
    line = next(line for line in output.splitlines() if line.strip().startswith("hopeless"))
    assert "failed" in line

"""Trials that diverge, raise or hang: they fail with their reason, and nothing else does."""

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tests.faults.launcher import SPEC, run, table, write_spec
from tests.faults.sabotage import changed

# Distillation with much of the teacher raises, and one trial hangs.
SABOTAGE = """
import time
train = module.Cohort._train_epoch

def disturbed(self, epoch):
    for stack in self.stacks if "fixed_kd" in self.names[0] else ():
        if (stack.method.values.numbers["alpha"] > 0.5).any():
            raise RuntimeError("out of something")
    while epoch == 3 and any(name.endswith("sleeper/trial/3") for name in self.names):
        time.sleep(1)
    return train(self, epoch)

module.Cohort._train_epoch = disturbed
"""
METHODS = (
    "  - {method: cross_entropy, label: hopeless, pin: {lr: 1.0e+30}}\n"
    "  - {method: cross_entropy, label: sleeper}\n"
)
SHARED = "  shared: {weight_decay: {low: 1.0e-5, high: 1.0e-3, log: true}}\n"
LIMIT = "resources: {silence_s: 5}\n"


@pytest.fixture(scope="module")
def output_and_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    place = tmp_path_factory.mktemp("trials")
    text = SPEC.replace("search:\n", METHODS + "search:\n" + SHARED) + LIMIT
    environment = changed(place, "trainers.loop.cohort", SABOTAGE)
    output = run(write_spec(place, text), place / "runs", environment=environment)
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


def test_only_the_trial_that_hangs_fails(output_and_runs: tuple[str, Path]) -> None:
    _, runs = output_and_runs
    found = trials(runs, "sleeper")
    assert [t.number for t in found if t.state == TrialState.FAIL] == [3]
    assert "finished no epoch for 5 s" in found[3].user_attrs["reason"]
    assert {t.state for t in found} >= {TrialState.COMPLETE, TrialState.FAIL}


def test_a_cell_whose_trials_all_failed_shows_as_failed(output_and_runs: tuple[str, Path]) -> None:
    output, runs = output_and_runs
    rows = table(runs).set_index("method")
    assert rows.loc["hopeless", "n_seeds"] == 0
    assert rows.loc["hopeless", "n_trials"] == 9
    assert rows.loc["fixed_kd", "n_seeds"] == rows.loc["alm_kd", "n_seeds"] == 3
    assert rows.loc["sleeper", "n_seeds"] == 3
    line = next(line for line in output.splitlines() if line.strip().startswith("hopeless"))
    assert "failed" in line

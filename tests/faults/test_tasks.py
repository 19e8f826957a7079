"""Tasks that an installed package brings go through a whole sweep, one of them killed on its way.

The tasks are those of `tests/toys`: token sequences, several rows an example, whose lanes train in
turn; and two embedding tables without a last layer, by AdamW, whose objective goes downward.
"""

import json
import os
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.launcher import (
    COMMAND,
    FIRST_ASKED,
    ONE_AT_A_TIME,
    kill,
    run,
    same,
    start,
    table,
    table_undisturbed,
    wait_for_trials,
    write_spec,
)
from trainers.registry import OWN

TOYS = Path(__file__).parents[1] / "toys"
SEQUENCES = """
name: faults
data: {dataset: toy_sequences, n: 240, splits: {train: 0.4, meta: 0.1, validation: 0.2, test: 0.2}}
conditions: {noise_kind: [shifted], noise_rate: [0.4]}
teacher: {model: {name: tagger, width: 16}, training: {epochs: 4}}
student: {model: {name: tagger}, training: {epochs: 6, batch_size: 16}}
methods:
  - {method: alm_kd, pin: {warmup_epochs: 1, update_every: 1}}
  - {method: fixed_kd, baseline: true}
  - {method: dropping}
search:
  trials: 6
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""
PAIRS = """
name: faults
data: {dataset: toy_pairs, n: 240, splits: {train: 0.4, meta: 0.1, validation: 0.2, test: 0.2}}
conditions: {noise_kind: [flipped], noise_rate: [0.3]}
teacher: {model: {name: embeddings, width: 16}, training: {epochs: 4}}
student:
  model: {name: embeddings, width: 4}
  training: {epochs: 6, batch_size: 16, schedule: linear, warmup_steps: 5, clip_norm: 1.0}
methods:
  - {method: alm_kd, pin: {warmup_epochs: 1, update_every: 1}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 4
  generation: 2
  shortlist: {configurations: 2, seeds: 1}
  per_seed: true
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""
METHODS = {"toy_sequences": 3, "toy_pairs": 2}
# Records of the journal in the middle of a search: its studies, and some generations.
UNDER_WAY = FIRST_ASKED + 20


@pytest.fixture(autouse=True)
def _toys_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TOYS), *([before] if before else [])]))


def _printed(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_task_of_a_package_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SEQUENCES)
    options = ("--set", "resources.checkpoint_every_s=0.1", *ONE_AT_A_TIME)
    whole = table_undisturbed(spec, tmp_path / "whole")
    process = start(spec, tmp_path / "broken", *options)
    wait_for_trials(process, tmp_path / "broken", UNDER_WAY)
    kill(process, "launcher")
    shown = run(spec, tmp_path / "broken", *options)
    assert same(whole, table(tmp_path / "broken"))
    _assert_told(whole, shown)


def test_a_task_whose_objective_goes_downward_is_told_so(tmp_path: Path) -> None:
    shown = run(write_spec(tmp_path, PAIRS), tmp_path / "runs", *ONE_AT_A_TIME)
    _assert_told(table(tmp_path / "runs"), shown)


def _assert_told(whole: pd.DataFrame, shown: str) -> None:
    """The table is whole, and what was printed speaks of its metric in its direction."""
    dataset = str(whole["dataset"][0])
    assert len(whole) == METHODS[dataset]
    assert (whole["n_seeds"] == 3).all()
    assert not whole["n_failed"].any()
    if dataset == "toy_pairs":
        assert whole["test_loss_mean"].between(0, 2).all()
        assert "Test loss (nats), lower is better" in shown
    else:
        assert whole["test_accuracy_mean"].between(0, 100).all()


def test_tasks_of_a_package_are_listed_with_the_others() -> None:
    tasks = json.loads(_printed("tasks", "--format", "json"))
    own = [task.name for task in OWN]
    assert [task["task"] for task in tasks] == [*own, "toy_sequences", "toy_pairs"]
    datasets = json.loads(_printed("datasets", "--format", "json", "--task", "toy_pairs"))
    assert {row["data set"] for row in datasets} == {"toy_pairs"}


def test_the_name_of_a_task_that_is_there_is_refused(tmp_path: Path) -> None:
    clash = tmp_path / "clash-0.1.dist-info"
    clash.mkdir()
    (clash / "METADATA").write_text("Metadata-Version: 2.1\nName: clash\nVersion: 0.1\n")
    (clash / "entry_points.txt").write_text("[almkd.tasks]\nagain = toys.rows:PAIRS\n")
    paths = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    done = subprocess.run(
        [*COMMAND, "tasks"], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "there is a task 'toy_pairs' already" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"{method: fixed_kd, ": "{method: dkd, "}, ["'dkd'", "classification", "alm_kd"]),
        ({"embeddings, width: 4": "mlp, hidden: [4]"}, ["'mlp'", "embeddings"]),
        ({"[flipped]": "[symmetric]"}, ["'symmetric'", "flipped"]),
        ({"name: faults": "name: faults\ntask: toy_sequences"}, ["toy_sequences", "toy_pairs"]),
        ({"name: faults": "name: faults\ntask: tagging"}, ["'tagging'", "toy_pairs"]),
        ({"update_every: 1}": "hypergradient: last_layer}"}, ["'last_layer'", "full"]),
    ],
)
def test_what_is_of_another_task_is_refused(
    change: dict[str, str], said: list[str], tmp_path: Path
) -> None:
    text = PAIRS
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    runs = tmp_path / "runs"
    command = [*COMMAND, "launch", str(write_spec(tmp_path, text)), "--runs-dir", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert not runs.exists()
    for word in said:
        assert word in done.stderr

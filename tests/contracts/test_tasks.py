"""Every task of the table, and the specimen by which its rows are held to the other contracts."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest
import torch

from tests.contracts.specimens.specs import needed, spec_data
from tests.contracts.specimens.table import EVERY_TASK, specimen_of
from tests.trainers.cases import Diary, weights
from trainers.lanes.weights import put_lane_weights
from trainers.registry import TASKS


@EVERY_TASK
def test_row_says_what_it_is(task: str) -> None:
    entry = TASKS[task]
    assert entry.name == task
    assert entry.summary
    assert entry.example
    assert "labels_only" in entry.methods
    assert {entry.objective, *entry.every_epoch, *(entry.against or ())} <= set(entry.metrics)
    reads_targets = any(network.reads_targets for network in entry.networks.values())
    assert reads_targets == (entry.oracles is not None)
    if entry.oracles:
        assert set(entry.oracles.names) <= set(entry.every_epoch)
        assert entry.metrics[entry.oracles.swapped].direction == "maximize"


@EVERY_TASK
def test_specimen_is_of_rows_that_there_are(task: str) -> None:
    specimen, entry = specimen_of(task), TASKS[task]
    assert specimen.model.name in entry.networks
    assert {*specimen.tallied, *specimen.undefined} <= set(entry.metrics)
    for method, trials in specimen.lively.items():
        for values in trials:
            for name, value in values.items():
                assert entry.methods[method].hyperparameter(name).problem(value) is None


def test_a_task_without_a_specimen_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="the task sorting has no specimen"):
        specimen_of("sorting")


@pytest.mark.parametrize("task", [task.name for task in TASKS.values() if not task.streams])
def test_a_student_can_start_from_what_another_became(task: str) -> None:
    specimen = specimen_of(task)
    trials = specimen.trials("labels_only", 2)
    trained, fresh = (specimen.cohort("labels_only", trials, 1) for _ in range(2))
    trained.train(Diary())
    for trial in trials:
        assert not _equal(weights(fresh, trial.name), weights(trained, trial.name))
    for old, new in zip(trained.stacks, fresh.stacks, strict=True):
        left = [old.weights(lane) for lane in range(len(old.names))]
        put_lane_weights(new.model, [{k: t.numpy() for k, t in lane.items()} for lane in left])
    for trial in trials:
        assert _equal(weights(fresh, trial.name), weights(trained, trial.name))


def _equal(some: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, others[name]) for name, tensor in some.items())


CHECKED_WITHOUT_TORCH = """
import json, sys
import trainers.data.noise, trainers.data.splits, trainers.hyperparameters, trainers.loading
import trainers.registry, trainers.settings
from sweep.spec.reader import check_spec
for data in json.load(sys.stdin):
    check_spec(data, data["task"])
    if "torch" in sys.modules:
        sys.exit(data["task"])
"""


def test_what_a_spec_is_checked_against_loads_without_torch() -> None:
    specs = [
        spec_data(task.name, needed(task.name, dataset))
        for task in TASKS.values()
        for dataset in task.datasets
    ]
    done = subprocess.run(
        [sys.executable, "-c", CHECKED_WITHOUT_TORCH],
        input=json.dumps(specs), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

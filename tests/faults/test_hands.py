"""Two launches at once, changed specs, extensions."""

import signal
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.places import Places
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process
from tests.faults.launcher import (
    COMMAND,
    ONE_AT_A_TIME,
    SPEC,
    finish,
    run,
    start,
    table,
    wait_for_trials,
    write_spec,
)


def launch_again(spec: Path, runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "launch", str(spec), "--runs-dir", str(runs), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def runs_by_key(runs: Path) -> dict[str, tuple[str, int]]:
    """Id and end of every run that is over, by key."""
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faults")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return {
        run.data.tags["key"]: (run.info.run_id, run.info.end_time)
        for run in found
        if "key" in run.data.tags
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs directory of a sweep during which a second launch was tried."""
    runs = tmp_path_factory.mktemp("finished")
    spec = write_spec(runs)
    process = start(spec, runs, *ONE_AT_A_TIME)
    wait_for_trials(process, runs, 7)
    # It must not come to its end before the second has tried.
    process.send_signal(signal.SIGSTOP)
    try:
        second = launch_again(spec, runs)
    finally:
        process.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert f"by process {process.pid} on" in second.stderr
    assert "Traceback" not in second.stderr
    finish(process)
    return runs


def test_a_changed_spec_is_refused_with_its_fields(finished: Path) -> None:
    before = runs_by_key(finished)
    again = launch_again(write_spec(finished), finished, "--set", "student.training.epochs=9")
    assert again.returncode == 2
    assert "student.training.epochs: 8 before, 9 now" in again.stderr
    assert "--fork" in again.stderr
    assert runs_by_key(finished) == before


def test_more_seeds_reuse_what_is_there(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = runs_by_key(finished)
    spec = write_spec(finished, SPEC.replace("seeds: 3", "seeds: 4"))
    launched_in_process(read_spec(str(spec)), Places(finished), monkeypatch)
    after = runs_by_key(finished)
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 3  # a teacher, and one run of each method
    assert table(finished)["n_seeds"].tolist() == [4, 4]


def test_a_finished_sweep_is_left_alone(finished: Path) -> None:
    before = runs_by_key(finished)
    run(write_spec(finished, (finished / "faults.yaml").read_text()), finished)
    assert runs_by_key(finished) == before

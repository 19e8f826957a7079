"""A launch that is stopped, loses its processes, or is not the only one: nothing tells of it
afterwards, and the sweep is extended or left alone like any other.

That its own process is killed: `test_checkpoints`.
"""

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process, runs_of
from tests.faults.launcher import (
    COMMAND,
    ONE_AT_A_TIME,
    SPEC,
    assert_whole,
    finish,
    kill,
    run,
    start,
    table,
    trial_states,
    wait_for_trials,
    write_spec,
    written,
)

# Long enough that a signal finds it at work.
EPOCHS = 40
TEXT = SPEC.replace("training: {epochs: 8}", f"training: {{epochs: {EPOCHS}, schedule: constant}}")
# Records of the journal that a launch writes before it is stopped: it has taken up its work.
MORE = 8


def launch_again(spec: Path, runs: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "launch", str(spec), "--runs-dir", str(runs), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def runs_by_key(runs: Path) -> dict[str, tuple[str, int]]:
    """Id and end of every run that is over, by key."""
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faults")
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return {
        one.data.tags["key"]: (one.info.run_id, one.info.end_time)
        for one in found
        if "key" in one.data.tags
    }


def assert_stopped_truly(process: subprocess.Popen[str], places: Places) -> None:
    """By a signal that can be heard: with what is in flight marked as interrupted."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert output.splitlines()[-1] == ("almkd: interrupted; the same command goes on from here")
    states = Counter(trial_states(places.runs_dir).values())
    assert states["RUNNING"] == 0
    assert states["WAITING"] > 0
    for left in runs_of(open_store(places), "faults"):
        state = left.data.tags["state"]
        assert state in ("complete", "pruned", "interrupted")
        assert left.info.status == ("FINISHED" if state == "complete" else "KILLED")


def assert_another_is_refused(process: subprocess.Popen[str], spec: Path, runs: Path) -> None:
    """While a launch is at work, a second one of the same sweep."""
    # It must not come to its end before the second has tried.
    process.send_signal(signal.SIGSTOP)
    try:
        second = launch_again(spec, runs)
    finally:
        process.send_signal(signal.SIGCONT)
    assert second.returncode == 2
    assert f"by process {process.pid} on" in second.stderr
    assert "Traceback" not in second.stderr


def kill_once_it_is_there(process: subprocess.Popen[str], target: str) -> None:
    """The journal grows before the first process that trains has started."""
    deadline = time.monotonic() + 60
    while not kill(process, target):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"no {target}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs directory of a sweep that was stopped in every way, lost processes, and during
    which a second launch was tried."""
    runs = tmp_path_factory.mktemp("finished")
    spec, places = write_spec(runs, TEXT), Places(runs)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = start(spec, runs, *ONE_AT_A_TIME)
        wait_for_trials(process, runs, written(runs) + MORE)
        if number == signal.SIGHUP:
            # As a terminal that closes sends it: to every process that was started from it.
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert_stopped_truly(process, places)
    process = start(spec, runs)
    wait_for_trials(process, runs, written(runs) + MORE)
    assert_another_is_refused(process, spec, runs)
    for target in ("Trainable", "RefereeActor"):
        wait_for_trials(process, runs, written(runs) + MORE)
        kill_once_it_is_there(process, target)
    output = finish(process)
    assert "the referee's process died" in output
    return runs


def test_it_comes_to_the_same_table(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert_whole(finished)
    spec = read_spec(str(finished / "faults.yaml"), [])
    undisturbed = launched_in_process(spec, Places(tmp_path), monkeypatch)
    pd.testing.assert_frame_equal(
        comparison_table(open_store(Places(finished)).record("faults"), 0),
        comparison_table(undisturbed, 0),
    )


def test_a_changed_spec_is_refused_with_its_fields(finished: Path) -> None:
    before = runs_by_key(finished)
    longer = f"student.training.epochs={EPOCHS + 1}"
    again = launch_again(write_spec(finished, TEXT), finished, "--set", longer)
    assert again.returncode == 2
    assert f"student.training.epochs: {EPOCHS} before, {EPOCHS + 1} now" in again.stderr
    assert "--fork" in again.stderr
    assert runs_by_key(finished) == before


def test_more_seeds_reuse_what_is_there(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = runs_by_key(finished)
    spec = write_spec(finished, TEXT.replace("seeds: 3", "seeds: 4"))
    launched_in_process(read_spec(str(spec)), Places(finished), monkeypatch)
    after = runs_by_key(finished)
    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 3  # a teacher, and one run of each method
    assert table(finished)["n_seeds"].tolist() == [4, 4]


def test_a_finished_sweep_is_left_alone(finished: Path) -> None:
    before = runs_by_key(finished)
    run(write_spec(finished, (finished / "faults.yaml").read_text()), finished)
    assert runs_by_key(finished) == before

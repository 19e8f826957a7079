"""A launch that is stopped, or loses its processes: nothing tells that it was broken off.

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

from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process, runs_of
from tests.faults.launcher import (
    SPEC,
    assert_whole,
    finish,
    kill,
    start,
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


def assert_stopped_truly(process: subprocess.Popen[str], places: Places) -> None:
    """By a signal that can be heard: with what is in flight marked as interrupted."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert output.splitlines()[-1] == ("almkd: interrupted; the same command goes on from here")
    states = Counter(trial_states(places.runs_dir).values())
    assert states["RUNNING"] == 0
    assert states["WAITING"] > 0
    for run in runs_of(open_store(places), "faults"):
        state = run.data.tags["state"]
        assert state in ("complete", "pruned", "interrupted")
        assert run.info.status == ("FINISHED" if state == "complete" else "KILLED")


def kill_once_it_is_there(process: subprocess.Popen[str], target: str) -> None:
    """The journal grows before the first process that trains has started."""
    deadline = time.monotonic() + 60
    while not kill(process, target):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"no {target}"
        time.sleep(0.01)


def test_a_sweep_that_is_stopped_and_loses_processes_comes_to_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, places = write_spec(tmp_path, TEXT), Places(tmp_path / "runs")
    runs = places.runs_dir
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        process = start(spec, runs)
        wait_for_trials(process, runs, written(runs) + MORE)
        if number == signal.SIGHUP:
            # As a terminal that closes sends it: to every process that was started from it.
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert_stopped_truly(process, places)
    process = start(spec, runs)
    for target in ("Trainable", "RefereeActor"):
        wait_for_trials(process, runs, written(runs) + MORE)
        kill_once_it_is_there(process, target)
    output = finish(process)
    assert "the referee's process died" in output
    assert_whole(runs)
    undisturbed = launched_in_process(
        read_spec(str(spec), []), Places(tmp_path / "undisturbed"), monkeypatch
    )
    pd.testing.assert_frame_equal(
        comparison_table(open_store(places).record("faults"), 0), comparison_table(undisturbed, 0)
    )

"""A sweep stopped by a signal writes true states, and the same command goes on from there."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import optuna
import pandas as pd
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from sweep.compare.comparison import comparison_table
from sweep.run import Places, open_store
from tests.end_to_end.stage import launched_in_process, runs_of
from tests.sweep.specs import small_data, small_spec

ALMKD = [sys.executable, "-c", "from sweep.cli import main; main()"]
LONG = 120.0  # seconds after which something that has not come will not come
CHANGES = {
    "name": "stopped",
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}, {"method": "cross_entropy"}],
    # Long enough that the signal finds it at work.
    "student.training.epochs": 60,
    "student.training.schedule": "constant",
}


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ALMKD, "launch", "stopped.yaml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _trials(places: Places) -> Counter[TrialState]:
    """States in the journal, over all cells."""
    if not places.journal("stopped").exists():
        return Counter()
    storage = JournalStorage(JournalFileBackend(str(places.journal("stopped"))))
    return Counter(
        trial.state
        for summary in storage.get_all_studies()
        for trial in optuna.load_study(study_name=summary.study_name, storage=storage).get_trials()
    )


def _states_of_runs(places: Places) -> Counter[str]:
    query = "SELECT value FROM tags WHERE key = 'state'"
    with sqlite3.connect(f"file:{places.runs_dir}/mlflow.db?mode=ro", uri=True) as store:
        return Counter(value for (value,) in store.execute(query))


def _wait_for_work_in_flight(process: subprocess.Popen[str], places: Places) -> None:
    deadline = time.monotonic() + LONG
    while not (_trials(places)[TrialState.RUNNING] and _trials(places).total() > 3):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=LONG)
    return process.returncode, out, err


@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGTERM]], ids=["INT-then-TERM"])
def test_stopped_sweep_tells_the_truth_and_goes_on_to_the_same_table(
    places: Places, monkeypatch: pytest.MonkeyPatch, signals: Sequence[signal.Signals]
) -> None:
    folder = places.runs_dir.parent
    text = yaml.safe_dump(small_data(CHANGES))
    (folder / "stopped.yaml").write_text(text, encoding="utf-8")
    for number in signals:
        process = _start(folder)
        _wait_for_work_in_flight(process, places)
        process.send_signal(number)
        code, _, err = _ended(process)
        assert (code, err) == (130, "almkd: interrupted; the same command goes on from here\n")
        assert _trials(places)[TrialState.RUNNING] == 0
        assert _trials(places)[TrialState.WAITING] > 0
        for run in runs_of(open_store(places), "stopped"):
            state = run.data.tags["state"]
            assert state in ("complete", "pruned", "interrupted")
            assert run.info.status == ("FINISHED" if state == "complete" else "KILLED")
        assert _states_of_runs(places)["interrupted"] > 1
    code, out, err = _ended(_start(folder))
    assert (code, err) == (0, "")
    assert "fixed_kd" in out
    assert set(_trials(places)) <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert _trials(places).total() == 12
    assert set(_states_of_runs(places)) <= {"complete", "pruned"}
    undisturbed = Places(folder / "undisturbed")
    undisturbed.runs_dir.mkdir()
    spec = small_spec(CHANGES)
    pd.testing.assert_frame_equal(
        comparison_table(open_store(places).record("stopped"), 0),
        comparison_table(launched_in_process(spec, undisturbed, monkeypatch), 0),
    )

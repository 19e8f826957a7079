"""Launches as real processes, to be killed, and what they leave in the stores."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import optuna
import pandas as pd
import psutil
from mlflow import MlflowClient
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

SWEEP = "faults"
# A sweep that searches, prunes, confirms and compares within seconds.
SPEC = """
name: faults
data: {dataset: digits, splits: {train: 0.3, meta: 0.1, validation: 0.2, test: 0.2}}
conditions: {noise_rate: [0.4]}
teacher: {model: {name: mlp, hidden: [16]}, training: {epochs: 3}}
student: {model: {name: mlp, hidden: [8]}, training: {epochs: 8}}
methods:
  - {method: alm_kd, pin: {warmup_epochs: 1, update_every: 1}}
  - {method: fixed_kd, baseline: true}
search:
  trials: 9
  generation: 3
  shortlist: {configurations: 2, seeds: 2}
  sampler: {name: tpe, n_startup_trials: 3}
  pruner: {name: successive_halving, reduction_factor: 2}
confirm: {seeds: 3}
"""
# Records of the journal: 2 studies make 4, and each generation that is asked adds 3.
FIRST_ASKED, SEARCH_UNDER_WAY = 7, 40
PLANNED_TRIALS, PLANNED_SHORTLISTED, PLANNED_CONFIRMED, PLANNED_TEACHERS = 18, 8, 6, 4
# Options of launches in which nothing depends on cohorts side by side: on two cores one process
# trains, as ever with one thread, and the start of another, longer than its trainings, is saved.
ONE_AT_A_TIME = ("--set", "resources.cpus=1.5")
COMMAND = [sys.executable, "-c", "from sweep.cli import main; main()"]
ROOT = Path(__file__).parents[2]

# A store without sweeps to start from, if there is one: making its schema takes seconds.
EMPTY_STORE: list[Path] = []


@dataclass(frozen=True)
class Left:
    """Counts of what a finished sweep left in its stores."""

    planned: int
    finished: int
    lost: int
    duplicated: int
    orphaned: int
    wrong_states: int


def write_spec(directory: Path, text: str = SPEC) -> Path:
    """The spec as a file."""
    path = directory / "faults.yaml"
    path.write_text(text)
    return path


def start(
    spec: Path, runs: Path, *options: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A launch in a session of its own, with some variables added to the environment."""
    command = [*COMMAND, "launch", str(spec), "--runs-dir", str(runs), *options]
    _give_a_store(runs)
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )


def table_undisturbed(spec: Path, runs: Path) -> pd.DataFrame:
    """The comparison table of a sweep to which nothing happens, trained without Ray in a process of
    its own: with the packages and the code that a launch would find."""
    _give_a_store(runs)
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    csv = runs / "comparison.csv"
    command = [sys.executable, "-m", "tests.rehearsal.reference", str(spec), str(runs), str(csv)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return pd.read_csv(csv)


def _give_a_store(runs: Path) -> None:
    if EMPTY_STORE and not (runs / "mlflow.db").exists():
        runs.mkdir(parents=True, exist_ok=True)
        shutil.copy(EMPTY_STORE[0], runs)


def finish(process: subprocess.Popen[str]) -> str:
    """What the process printed; it must end well."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def run(spec: Path, runs: Path, *options: str, environment: Mapping[str, str] | None = None) -> str:
    """A launch from start to end."""
    return finish(start(spec, runs, *options, environment=environment))


def kill(process: subprocess.Popen[str], target: str, how: int = signal.SIGKILL) -> bool:
    """Send a signal to the launcher, or to a Ray process of it by its title; whether it could."""
    if target == "launcher":
        os.kill(process.pid, how)
        process.communicate()
        return True
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            title = " ".join(child.cmdline())
            if title.startswith("ray::") and target in title:
                child.send_signal(how)
                return True
        except psutil.Error:
            continue
    return False


def written(runs: Path) -> int:
    """How many records the journal holds."""
    journal = runs / "faults" / "optuna.journal"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def wait_for_trials(process: subprocess.Popen[str], runs: Path, records: int) -> None:
    """Wait until the journal holds so many records; the launch must not end before."""
    deadline = time.monotonic() + 120
    while written(runs) < records:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, f"no {records} records in time"
        time.sleep(0.01)


def table(runs: Path) -> pd.DataFrame:
    """The comparison table as the command exports it."""
    command = [*COMMAND, "export", "faults", "--runs-dir", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return pd.read_csv(io.StringIO(done.stdout))


def left(runs: Path, teachers: int = PLANNED_TEACHERS) -> Left:
    """Count what a sweep that came to its end left: every trial once, in its true state."""
    return left_in(MlflowClient(f"sqlite:///{runs / 'mlflow.db'}"), _journal(runs), teachers)


def left_in(
    client: MlflowClient,
    studies: BaseStorage,
    teachers: int = PLANNED_TEACHERS,
    name: str = SWEEP,
) -> Left:
    """As `left`, of stores wherever they are, and of the sweep of that name."""
    experiment = client.get_experiment_by_name(name)
    everything = client.search_runs([experiment.experiment_id], max_results=10_000)
    runs_of = Counter(run.data.tags["stage"] for run in everything)
    keys = Counter(run.data.tags.get("key", "sweep") for run in everything)
    ends = {
        run.data.tags["key"]: (run.data.tags["state"], run.info.status)
        for run in everything
        if "key" in run.data.tags
    }
    found = _states(studies, name)
    planned = 1 + teachers + PLANNED_TRIALS + PLANNED_SHORTLISTED + PLANNED_CONFIRMED
    wrong = sum(state not in _ENDS or ends.get(key) != _ENDS[state] for key, state in found.items())
    return Left(
        planned=planned,
        finished=sum(run.info.status != "RUNNING" for run in everything),
        lost=max(0, planned - len(keys)) + max(0, PLANNED_TRIALS - len(found)),
        duplicated=sum(n - 1 for n in keys.values()) + max(0, len(found) - PLANNED_TRIALS),
        orphaned=sum(run.info.status in ("RUNNING", "SCHEDULED") for run in everything)
        + sum(state in ("RUNNING", "WAITING") for state in found.values()),
        wrong_states=wrong + (runs_of["sweep"] != 1),
    )


def assert_whole(runs: Path) -> None:
    """Every trial and run there is once, in its true state."""
    found = left(runs)
    assert (found.lost, found.duplicated, found.orphaned, found.wrong_states) == (0, 0, 0, 0)
    assert found.finished == found.planned


# State and status of a trial's run, by the state of the trial.
_ENDS = {
    "COMPLETE": ("complete", "FINISHED"),
    "PRUNED": ("pruned", "KILLED"),
    "FAIL": ("failed", "FAILED"),
}


def trial_states(runs: Path) -> dict[str, str]:
    """State of every trial in the journal, by the key of its run."""
    return _states(_journal(runs))


def _journal(runs: Path) -> BaseStorage:
    return JournalStorage(JournalFileBackend(str(runs / "faults" / "optuna.journal")))


def _states(storage: BaseStorage, name: str = SWEEP) -> dict[str, str]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    found = {}
    for study in optuna.get_all_study_names(storage):
        sweep, _, cell = study.partition("/")
        if sweep != name:
            continue
        for trial in optuna.load_study(study_name=study, storage=storage).trials:
            found[f"{cell}/trial/{trial.number}"] = trial.state.name
    return found


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    """Whether two comparison tables say the same."""
    return bool(a.equals(b))

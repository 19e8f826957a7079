"""Commands in processes of their own: how long they took, the most memory they held, and what a
launch trained."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

ALMKD = (sys.executable, "-c", "from sweep.cli import main; main()")
HERE = Path(__file__).resolve().parent

# The sweep that is timed: the preset digits of 0.1.0.
DIGITS = str(HERE / "digits.yaml")
# Options that make a sweep small, and this one as small as it gets.
SMALLER = tuple(
    word
    for change in ("search.trials=2", "search.generation=2", "confirm.seeds=2")
    for word in ("--set", change)
)
QUICK = SMALLER + tuple(
    word
    for change in (
        "conditions.noise_rate=[0.4]",
        "search.sampler.n_startup_trials=1",
        "teacher.training.epochs=2",
        "student.training.epochs=3",
    )
    for word in ("--set", change)
)


class Taken(NamedTuple):
    """What a process took."""

    seconds: float
    peak_memory_mb: float


class Swept(NamedTuple):
    """What a launch trained of students, in how many seconds from its start to its end."""

    trials: int
    trial_epochs: int
    seconds: float
    peak_memory_mb: float


def run(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Taken:
    """Run a command to its end, its output in ``log``; RuntimeError where it fails."""
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    known = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    began = time.perf_counter()
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**known, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        end = "\n".join(log.read_text(encoding="utf-8").splitlines()[-20:])
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{end}")
    return Taken(seconds, usage.ru_maxrss / 1024)


def launch(spec: str, runs_dir: Path, *options: str) -> Taken:
    """`almkd launch` in a process of its own."""
    command = [*ALMKD, "launch", spec, "--runs-dir", str(runs_dir), *options]
    return run(command, runs_dir / "launch.log", {"MLFLOW_TRACKING_URI": ""})


def speeds(
    sweep: Swept, plain_s: float, lanes: float | None, step: float
) -> dict[str, float | None]:
    """What the overview of tasks says, each in times as fast.

    ``plain_s``: seconds of an epoch of the sweep's students in a plain loop, one student at a time;
    ``lanes``: side by side, over one at a time, None where they train in turn; ``step``: one lane,
    over the plain loop.
    """
    return {"sweep": sweep.trial_epochs / sweep.seconds * plain_s, "lanes": lanes, "step": step}


def swept(spec: str, runs_dir: Path, name: str, *options: str) -> Swept:
    """A launch of the sweep ``name``, and what its own table of trials says of students.

    The epochs of teachers are time spent that is not credited.
    """
    taken = launch(spec, runs_dir, *options)
    trials = pd.read_csv(runs_dir / name / "results" / "trials.csv")
    students = trials[trials["stage"] != "teacher"]
    return Swept(len(students), int(students["epochs_trained"].sum()), *taken)

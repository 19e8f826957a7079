"""A sweep of many short trials, watched for what grows, and for how long it takes to answer.

    make long-run TRIALS=20000

For as long as it trains, it is noted every few seconds what its processes hold: memory of their own
(USS, in MB), open files, threads; and what is in the machine's shared memory. Of each, the median
between a tenth and a fifth of that time is set beside the median of the last tenth. Now and then
somebody looks: `status` and `export` are timed from their start to their end, `watch` until its
first line; beside them `almkd --help`, which loads no store.

Exit code 1 where something has grown by more than a tenth, or the sweep did not end well.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from tests.faults.launcher import COMMAND
from tests.rehearsal.processes import kill_tree

# Four rates of noise and three rows.
CELLS = 12
SPEC = """
name: long
data: {{dataset: digits, splits: {{train: 0.3, meta: 0.1, validation: 0.2, test: 0.2}}}}
conditions: {{noise_rate: [0.0, 0.2, 0.4, 0.6]}}
teacher: {{model: {{name: mlp, hidden: [16]}}, training: {{epochs: 3}}}}
student: {{model: {{name: mlp, hidden: [8]}}, training: {{epochs: 3}}}}
methods:
  - {{method: alm_kd, pin: {{warmup_epochs: 1, update_every: 1}}}}
  - {{method: fixed_kd, baseline: true}}
  - {{method: labels_only}}
search: {{trials: {trials}, generation: 32, shortlist: none}}
confirm: {{seeds: 3}}
"""
# Who holds what, by the title of Ray's processes.
ROLES = {"referee and writer": "RefereeActor", "workers": "Trainable"}
DRIVER, SHARED = "launcher", "shared memory"
SAMPLE_EVERY_S, LOOK_EVERY_S = 2.0, 30.0
MOST_GROWTH = 0.1
MB = 1e6
Samples = list[Mapping[str, float]]
Looks = dict[str, list[float]]


def main() -> int:
    """Launch, watch, tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20_000)
    trials = parser.parse_args().trials
    place = Path(tempfile.mkdtemp(prefix="almkd-long-"))
    try:
        spec = place / "long.yaml"
        spec.write_text(SPEC.format(trials=-(-trials // CELLS)), encoding="utf-8")
        return _run(spec, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _run(spec: Path, place: Path) -> int:
    runs, log, began = place / "runs", place / "launch.log", time.monotonic()
    with log.open("wb") as printed:
        process = subprocess.Popen(
            [*COMMAND, "launch", str(spec), "--runs-dir", str(runs)],
            stdout=printed, stderr=printed, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        samples, looks = _watch(process, runs, log)
    finally:
        kill_tree(process.pid)
        process.wait()
    _say(f"the launch ended with {process.returncode} after {time.monotonic() - began:.0f} s")
    grown = _tell(samples)
    for name, taken in looks.items():
        told = f"first {taken[0]:.1f} s, last {taken[-1]:.1f} s, most {max(taken):.1f} s"
        _say(f"{name:<32} {told}, {len(taken)} looks")
    return 1 if process.returncode or grown else 0


def _watch(process: subprocess.Popen[bytes], runs: Path, log: Path) -> tuple[Samples, Looks]:
    """What the launch held and how long commands took, until it ended."""
    samples: Samples = []
    looks: Looks = defaultdict(list)
    ended = threading.Event()
    # In a thread: a look takes seconds, in which there are other samples to take.
    looking = threading.Thread(target=_look_now_and_then, args=(runs, log, looks, ended))
    looking.start()
    while process.poll() is None:
        with suppress(psutil.Error):
            sample = _held_by(process.pid)
            # Before and after, loading and drawing are what takes memory.
            if any(name.startswith("workers") for name in sample):
                samples.append(sample)
        time.sleep(SAMPLE_EVERY_S)
    ended.set()
    looking.join()
    return samples, looks


def _look_now_and_then(runs: Path, log: Path, looks: Looks, ended: threading.Event) -> None:
    began = time.monotonic()
    while not ended.wait(LOOK_EVERY_S):
        # Until then there is no sweep to look at.
        if "search" in (said := _progress(log)):
            for name, seconds in _look(runs).items():
                looks[name].append(seconds)
        _say(f"{time.monotonic() - began:6.0f} s  {said}")


def _held_by(pid: int) -> dict[str, float]:
    """What the processes of a launch hold now, by who and what."""
    held: dict[str, float] = defaultdict(float)
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        role = DRIVER if process.pid == pid else _role(process)
        if role:
            with suppress(psutil.NoSuchProcess), process.oneshot():
                held[f"{role}: memory, MB"] += process.memory_full_info().uss / MB
                held[f"{role}: open files"] += process.num_fds()
                held[f"{role}: threads"] += process.num_threads()
    held[f"{SHARED}, MB"] = shutil.disk_usage("/dev/shm").used / MB
    return dict(held)


def _role(process: psutil.Process) -> str | None:
    with suppress(psutil.NoSuchProcess):
        title = " ".join(process.cmdline())
        if title.startswith("ray::"):
            return next((role for role, part in ROLES.items() if part in title), None)
    return None


def _tell(samples: Samples) -> list[str]:
    """A line for each quantity; those that grew by too much."""
    grown, count = [], len(samples)
    for name in sorted({name for sample in samples for name in sample}):
        first = _median(samples[count // 10 : count // 5 + 1], name)
        last = _median(samples[-(count // 10) - 1 :], name)
        growth = last / first - 1 if first else 0.0
        _say(f"{name:<32} {first:8.0f} {last:8.0f}  {100 * growth:+6.1f} %")
        if growth > MOST_GROWTH:
            grown.append(name)
    return grown


def _median(samples: Samples, name: str) -> float:
    return median(sample.get(name, 0.0) for sample in samples)


def _look(runs: Path) -> dict[str, float]:
    """Seconds that commands take."""
    on = ("--runs-dir", str(runs))
    return {
        "--help": _timed(_to_its_end, "--help"),
        "status": _timed(_to_its_end, "status", "long", *on),
        "export trials": _timed(_to_its_end, "export", "long", "--table", "trials", *on),
        "watch, first line": _timed(_first_line, "watch", "long", *on),
    }


def _timed(run: Callable[[list[str]], None], *arguments: str) -> float:
    began = time.perf_counter()
    run([*COMMAND, *arguments])
    return time.perf_counter() - began


def _to_its_end(command: list[str]) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def _first_line(command: list[str]) -> None:
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()


def _progress(log: Path) -> str:
    """The last line of what the launch printed."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return lines[-1][:120] if lines else ""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    sys.exit(main())

"""How long a launch takes before it trains and after it has trained.

    python bench/start.py [--rounds 3] [--quick]

Every round launches bench/digits.yaml in an empty directory, once with a Ray of its own and once on
one that `ray start --head` has started before, and then the first launch again, which has nothing
left to do. Counted, in seconds of the clock:

    first_line_s     from the command to the first line on the screen, which is a terminal
    start_s          from the command to the first cohort that trains
    end_s            from the end of the last training to the end of the command: models, tables,
                     figures and report are written, and shown
    joined_start_s   start_s on the Ray that runs already
    again_s          the same launch again, from the command to its end

Kept are the medians and all rounds. Writes bench/results/start.json.
"""

import argparse
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from machine import keep, options, say
from processes import ALMKD, DIGITS, HERE, QUICK
from ray.util import get_node_ip_address

from sweep.places import Places, open_store

RAY = (sys.executable, "-m", "ray.scripts.scripts")
# What has Ray keep a process per processor ready, with what trains loaded.
READY = {
    "RAY_enable_worker_prestart": "1",
    "RAY_preload_python_modules": "sweep.adapters.ray.loaded_ahead",
}
# By when such a Ray is up and its processes have loaded.
SETTLED_S = 20.0
PORT = 26_379  # above those that Ray gives to processes


class Moments(NamedTuple):
    """Of a command, in seconds since 1970."""

    began: float
    first_line: float
    ended: float


def watched(runs_dir: Path, given: argparse.Namespace, *more: str) -> Moments:
    """Launch at a terminal, and look when it says something; RuntimeError where it fails."""
    ours, theirs = pty.openpty()
    command = [*ALMKD, "launch", DIGITS, "--runs-dir", str(runs_dir), "--profile", *more]
    began = time.time()
    process = subprocess.Popen(
        [*command, *(QUICK if given.quick else ())],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment(),
    )  # fmt: skip
    os.close(theirs)
    said, first_line = b"", began
    with suppress(OSError):  # a terminal that nobody writes to any more
        while part := os.read(ours, 1 << 16):
            first_line = first_line if said else time.time()
            said += part
    os.close(ours)
    if process.wait():
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said.decode()}")
    return Moments(began, first_line, time.time())


def environment(**more: str) -> dict[str, str]:
    """Of a command that imports this checkout."""
    paths = [str(HERE.parent), os.environ.get("PYTHONPATH", "")]
    found = {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "MLFLOW_TRACKING_URI": "",
        # As a head asks for it; who names an address has to say that it has the token.
        "RAY_AUTH_MODE": "token",
    }
    return {**os.environ, **found, **more}


@contextmanager
def a_ray_that_runs(place: Path) -> Iterator[str]:
    """The address of a Ray that keeps processes ready, ended with the block."""
    # Its sockets have paths of some hundred characters at most.
    directory = tempfile.mkdtemp(prefix="ray-")
    head = ["start", "--head", f"--port={PORT}", "--block"]
    with (place / "ray.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*RAY, *head, f"--temp-dir={directory}", "--disable-usage-stats"],
            stdout=log, stderr=log, env=environment(**READY),
        )  # fmt: skip
    try:
        time.sleep(SETTLED_S)
        yield f"{get_node_ip_address()}:{PORT}"
    finally:
        process.terminate()
        process.wait()


def first_cohort(runs_dir: Path) -> float:
    """When the first cohort was taken, in seconds since 1970."""
    profile = json.loads(Places(runs_dir).profile("digits").read_text(encoding="utf-8"))
    return float(profile["first_cohort"])


def last_training(runs_dir: Path) -> float:
    """When the last run of a sweep ended, in seconds since 1970."""
    trials = open_store(Places(runs_dir), must_exist=True).record("digits").trials
    return float((trials["started"] + trials["wall_s"]).max())


def measure(given: argparse.Namespace) -> dict[str, float]:
    """One round."""
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        runs, joined = Path(place) / "runs", Path(place) / "joined"
        launch = watched(runs, given)
        again = watched(runs, given)
        with a_ray_that_runs(Path(place)) as address:
            on_it = watched(joined, given, "--address", address)
        return {
            "first_line_s": launch.first_line - launch.began,
            "start_s": first_cohort(runs) - launch.began,
            "end_s": launch.ended - last_training(runs),
            "joined_start_s": first_cohort(joined) - on_it.began,
            "again_s": again.ended - again.began,
        }


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    rounds: list[dict[str, float]] = []
    for _ in range(1 if given.quick else given.rounds):
        rounds.append(measure(given))
        say(", ".join(f"{name} {seconds:.2f}" for name, seconds in rounds[-1].items()))
    medians: dict[str, Any] = {
        name: statistics.median(found[name] for found in rounds) for name in rounds[0]
    }
    keep(given, "start", {**medians, "rounds": rounds})


if __name__ == "__main__":
    main()

"""Kill a small sweep at random moments, many times, and count what is wrong afterwards.

    make chaos N=100 SEED=0 TASK=text

Each round runs the sweep in a fresh directory, kills its launcher, its referee or a worker after a
random time and launches it again, until it comes to its end; then every trial is looked for in
both stores, and the table is compared with that of a run that nothing disturbed.
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.faults.launcher import finish, kill, left, run, same, start, table
from tests.faults.specs import SPECS, TEACHERS, written

TARGETS = ("launcher", "launcher", "launcher", "RefereeActor", "Trainable")
# So many processes may be lost on the way.
PATIENT = ("--set", "resources.retries=50")
# The longest time between two kills of a round, as shares of an undisturbed run's.
PACES = (0.15, 0.4, 1.0)
# Kills in one round before it is left to come to its end.
MOST_KILLS_IN_A_ROUND = 10


def main() -> None:
    """Run the rounds and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task", choices=SPECS, default="classification")
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    place = Path(tempfile.mkdtemp(prefix="almkd-chaos-"))
    try:
        _rounds(place, arguments.task, arguments.kills, draw)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _rounds(place: Path, task: str, kills: int, draw: random.Random) -> None:
    spec = written(place, task)
    began = time.monotonic()
    run(spec, place / "undisturbed")
    whole = time.monotonic() - began
    expected = table(place / "undisturbed")
    counts: Counter[str] = Counter()
    while counts["faults"] < kills:
        runs = place / f"round-{counts['rounds']}"
        most = min(kills - counts["faults"], MOST_KILLS_IN_A_ROUND)
        counts["faults"] += _one_round(spec, runs, whole, most, draw)
        counts["rounds"] += 1
        found = asdict(left(runs, TEACHERS[task]))
        counts.update(found)
        counts["table_differences"] += not same(table(runs), expected)
        shutil.rmtree(runs)
        sys.stdout.write(f"{time.monotonic() - began:6.0f} s  {dict(counts)}\n")
        sys.stdout.flush()


def _one_round(spec: Path, runs: Path, whole: float, kills: int, draw: random.Random) -> int:
    """Kill until the sweep ends or ``kills`` are spent, then let it end; how many there were."""
    done = 0
    process = start(spec, runs, *PATIENT)
    # Some rounds are killed again and again, before anything much is done; some once, late.
    longest = whole * draw.choice(PACES)
    while done < kills and _goes_on(process, draw.uniform(0.0, longest)):
        target = draw.choice(TARGETS)
        done += kill(process, target)
        if target == "launcher":
            process = start(spec, runs, *PATIENT)
    finish(process)
    return done


def _goes_on(process: subprocess.Popen[str], seconds: float) -> bool:
    """Whether the process is still there after so long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


if __name__ == "__main__":
    main()

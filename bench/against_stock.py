"""Our launch of bench/digits.yaml against the usual parts, one after the other in one run.

    python bench/against_stock.py [--trials 48] [--rounds 3] [--quick]

Counted for ours: `almkd launch bench/digits.yaml` in an empty directory, as a process, from its
start to its end: imports, Ray's start, the making of both stores, all teachers, search, confirm,
statistics, figures and the report. Its trial-epochs are those of search and confirm, read from its
own `trials.csv` (`epochs_trained`); those of the teachers are time spent that is not credited.

Counted for the usual parts (`bench/stock_stack.py`, see there): the three searches alone, without
imports, Ray's start, the store's tables or the teacher. Its whole process is noted beside that.

The two take turns, as often as --rounds says: kept is the round whose ratio is the median, and the
ratios of all.

    ratio                  trial-epochs per second, ours over theirs
    ratio_with_start       the same with the whole process of theirs, too

Writes bench/results/against_stock.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import keep_median, options, say
from processes import DIGITS, HERE, QUICK, run, swept


def ours(place: Path, quick: bool) -> dict[str, Any]:
    """The launch, from nothing to the table."""
    found = swept(DIGITS, place, "digits", "--profile", *(QUICK if quick else ()))
    return {
        "trials": found.trials,
        "trial_epochs": found.trial_epochs,
        "seconds": found.seconds,
        "trial_epochs_per_second": found.trial_epochs / found.seconds,
        "profile": json.loads((place / "digits" / "profile.json").read_text(encoding="utf-8")),
    }


def theirs(place: Path, trials: int, quick: bool) -> dict[str, Any]:
    """The script, with what its whole process took."""
    command = [sys.executable, str(HERE / "stock_stack.py"), "--trials", str(trials)]
    command += ["--out", str(place), *(["--quick"] if quick else [])]
    taken = run(command, place / "stock.log")
    result: dict[str, Any] = json.loads((place / "stock_stack.json").read_text(encoding="utf-8"))
    # Of this script's own making, with a place that is gone.
    del result["command"]
    return {**result, "seconds_with_start": taken.seconds}


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """One after the other, each in an empty directory."""
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        runs_dir = Path(place) / "runs"
        runs_dir.mkdir()
        sweep = ours(runs_dir, given.quick)
        say(f"almkd: {sweep['trial_epochs']} trial-epochs in {sweep['seconds']:.1f} s")
        stock = theirs(Path(place), given.trials, given.quick)
        say(f"usual parts: {stock['trial_epochs']} trial-epochs in {stock['seconds']:.1f} s")
    rate = sweep["trial_epochs_per_second"]
    result = {
        "ours": sweep,
        "stock": stock,
        "ratio": rate / stock["trial_epochs_per_second"],
        "ratio_with_start": rate * stock["seconds_with_start"] / stock["trial_epochs"],
    }
    say(f"{result['ratio']:.1f} times the trial-epochs per second")
    return result


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, default=48, help="of the usual parts, in all")
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    results = [measure(given) for _ in range(1 if given.quick else given.rounds)]
    keep_median(given, "against_stock", results)


if __name__ == "__main__":
    main()

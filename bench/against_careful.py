"""Our launch of bench/digits.yaml against a careful user's script, one after the other in one run.

    python bench/against_careful.py [--rounds 3] [--script-seeds 2] [--quick]

Counted on both sides is a command in an empty directory, from its start to its end, as a process:
`almkd launch bench/digits.yaml` with all it does (see `bench/against_stock.py`), and
`bench/careful_script.py` (see there) with the same spec, trainers and number of processes. Both are
credited with the trial-epochs of search and confirm, and not with those of teachers. Then the same
with `search.per_seed: true`, a search for every cell and confirm seed; there the script runs on the
first --script-seeds seeds alone, as it takes minutes, and its rate is taken for that of the whole.
The launch of digits is also set against its own cohorts trained by `trainers` alone in as many
processes (`bench/bare_loop.py`), start aside, report included. All take turns, as often as --rounds
says: kept is the round whose ratio is the median, and the ratios of all.

    ratio             trial-epochs a second, of the launch over those of the script
    per_seed_ratio    the same of searches for every seed
    bare_ratio        seconds of the launch after its start over those of the bare loop

Writes bench/results/careful.json.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from bare_loop import compare
from machine import keep_median, options, say
from processes import DIGITS, HERE, QUICK, run, swept

PER_SEED = ("--set", "search.per_seed=true")
RATIOS = ("ratio", "per_seed_ratio", "bare_ratio")


def ours(place: Path, *changes: str) -> dict[str, Any]:
    """The launch, from nothing to the table."""
    place.mkdir()
    found = swept(DIGITS, place, "digits", "--profile", *changes)
    return rate(found.trials, found.trial_epochs, found.seconds)


def script(place: Path, *more: str) -> dict[str, Any]:
    """The careful user's."""
    place.mkdir()
    command = [sys.executable, str(HERE / "careful_script.py"), "--out", str(place), *more]
    taken = run(command, place / "script.log")
    result = json.loads((place / "careful_script.json").read_text(encoding="utf-8"))
    return rate(result["trials"], result["trial_epochs"], taken.seconds)


def rate(trials: int, epochs: int, seconds: float) -> dict[str, Any]:
    """What a row of the table says."""
    return {
        "trials": trials,
        "trial_epochs": epochs,
        "seconds": seconds,
        "trial_epochs_per_second": epochs / seconds,
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """All of them, one after the other."""
    quick, quick_script = (QUICK, ("--quick",)) if given.quick else ((), ())
    seeds = ("--per-seed", "--seeds", str(given.script_seeds))
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as scratch:
        place = Path(scratch)
        once, by_hand = ours(place / "a", *quick), script(place / "b", *quick_script)
        bare = compare(place / "a", "digits")
        say(f"digits: {once['seconds']:.1f} s, the script {by_hand['seconds']:.1f} s")
        each, each_by_hand = (
            ours(place / "c", *quick, *PER_SEED),
            script(place / "d", *quick_script, *seeds),
        )
        say(f"a search per seed: {each['seconds']:.1f} s, the script on {given.script_seeds} seeds "
            f"{each_by_hand['seconds']:.1f} s")  # fmt: skip
    pace = "trial_epochs_per_second"
    found = {
        "ours": once,
        "script": by_hand,
        "per_seed": {"ours": each, "script": each_by_hand, "script_seeds": given.script_seeds},
        "ratio": once[pace] / by_hand[pace],
        "per_seed_ratio": each[pace] / each_by_hand[pace],
        "bare_ratio": bare["ratio"],
        "bare": {name: bare[name] for name in ("processes", "bare_s", "start_s", "rest_s")},
    }
    say(", ".join(f"{name} {found[name]:.2f}" for name in RATIOS))
    return found


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--script-seeds", type=int, default=2, help="of a search for every seed")
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    results = [measure(given) for _ in range(1 if given.quick else given.rounds)]
    of_all = {name: sorted(result[name] for result in results) for name in RATIOS}
    keep_median(given, "careful", [{**result, "of_all_rounds": of_all} for result in results])


if __name__ == "__main__":
    main()

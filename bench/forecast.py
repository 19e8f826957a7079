"""How long sweeps take, forecast before they are launched, against what they then took.

    python bench/forecast.py [--sweeps digits fashion_mnist ...] [--quick]

Each sweep is forecast as `almkd plan` does, with an empty store, on as many cohorts at once as this
machine trains; then it is launched with --profile in an empty directory. Sweeps are presets, one of
each task, those that would take long with fewer trials and seeds (`SWEEPS`). Counted, in seconds:

    forecast_s, took_s    of the whole launch; ratio: one over the other
    start_s, training_s, comparison_s    the same of its three parts, by the names of --profile
    device_hours          that cohorts held; in the launch what processes did not idle
    timing_s              that the forecast took
    left_s                the time left of training that `almkd watch` says after a quarter, a half
                          and three quarters of it, and what was left: from the runs on record,
                          without those that began later, and of those under way as much of their
                          epochs as of their time

Writes bench/results/forecast.json. It takes about half an hour, and is part of `make bench-sweeps`.
"""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machine import keep, options, say
from processes import DIGITS, QUICK, launch

from sweep.forecast.forecast import Forecast, forecast
from sweep.spec.reader import read_spec

# What is launched, by the name that the table has: the spec, and what is changed in it.
SHORT = ("conditions.noise_rate=[0.4]", "search.trials=4", "confirm.seeds=3")
SWEEPS: Mapping[str, tuple[str, Sequence[str]]] = {
    "bench/digits.yaml": (DIGITS, ()),
    "digits": ("digits", ()),
    "fashion_mnist": ("fashion_mnist", ()),
    "text_quick": ("text_quick", SHORT),
    "incremental_digits": ("incremental_digits", ()),
    "recommendation_quick": ("recommendation_quick", SHORT),
    "language_addition": ("language_addition", SHORT),
    "ctc": ("ctc", SHORT),
    "detection": ("detection", SHORT),
}
PARTS = ("start_s", "training_s", "comparison_s")


def measure(spec: str, changes: Sequence[str]) -> dict[str, Any]:
    """A sweep forecast and launched."""
    # Not above: what this script loads there, the processes that time cohorts load, too.
    from times_left import times_left

    began = time.perf_counter()
    expected = forecast(read_spec(spec, changes))
    timing_s = time.perf_counter() - began
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        sets = [word for change in changes for word in ("--set", change)]
        taken = launch(spec, Path(place), "--profile", *sets)
        (found,) = Path(place).glob("*/profile.json")
        profile = json.loads(found.read_text(encoding="utf-8"))
        left_s = times_left(Path(place), found.parent.name)
    return {
        **compared(expected, profile, taken.seconds),
        "timing_s": timing_s,
        "left_s": left_s,
    }


def compared(expected: Forecast, profile: Mapping[str, Any], took_s: float) -> dict[str, Any]:
    """A forecast beside what a launch took."""
    spent = profile["in_processes_s"]
    held = sum(seconds for what, seconds in spent.items() if what != "idle")
    return {
        "forecast_s": expected.total_s,
        "took_s": took_s,
        "ratio": expected.total_s / took_s,
        **{part: [asdict(expected)[part], profile[part]] for part in PARTS},
        "device_hours": [expected.device_s / 3600, held / 3600],
        "slots": expected.slots,
    }


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--sweeps", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    given = parser.parse_args()
    found: dict[str, Any] = {}
    if given.quick:
        found["quick"] = measure(DIGITS, QUICK[1::2])
        keep(given, "forecast", {"sweeps": found})
    else:
        for name in given.sweeps:
            found[name] = measure(*SWEEPS[name])
            one = found[name]
            say(f"{name}: {one['forecast_s']:.0f} s forecast, {one['took_s']:.0f} s taken")
            # What there is by then, as it takes so long.
            keep(given, "forecast", {"sweeps": found})


if __name__ == "__main__":
    main()

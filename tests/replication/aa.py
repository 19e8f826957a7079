"""A/A: copies of one method against each other, where every difference that is called is wrong.

    make aa BLOCKS=20

A block is a whole sweep under seeds of its own: copies of `fixed_kd`, each with a search of its
own, at 40 % noise on digits. Three ways to choose what is confirmed: one search for all seeds, the
same with a shortlist, and a search for every seed (with a shortlist). Of each: the share of pairs
of copies whose unadjusted p is below 0.05, with the 95 % interval of a bootstrap over blocks; and
the share of tables in which the sweep's own report calls some copy better or worse than the
baseline, with the exact (Clopper-Pearson) interval. Blocks that are done are not trained again.
"""

import argparse
import itertools
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from rich.console import Console
from scipy import stats  # type: ignore[import-untyped]

from sweep.compare.comparison import paired_scores
from sweep.compare.statistics import LEVEL, sample_std, sign_flip_p
from sweep.places import Places, open_store
from sweep.results import Shown, look
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.faults.launcher import COMMAND

MODES: Mapping[str, Mapping[str, Any]] = {
    "one search, no shortlist": {"shortlist": "none"},
    "one search, shortlist": {},
    "a search for every seed": {"per_seed": True},
}
NOISE = 0.4
MLP = {"training": {"epochs": 30, "batch_size": 64}}
SWEEP: Mapping[str, Any] = {
    "data": {
        "dataset": "digits",
        "splits": {"train": 0.45, "meta": 0.1, "validation": 0.2, "test": 0.25},
    },
    "conditions": {"noise_rate": [NOISE]},
    "teacher": {"model": {"name": "mlp", "hidden": [256, 256]}, **MLP},
    "student": {"model": {"name": "mlp", "hidden": [16]}, **MLP},
}
SEARCH: Mapping[str, Any] = {
    "trials": 32,
    "generation": 8,
    "sampler": {"name": "tpe", "n_startup_trials": 8},
    "pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 6},
    "shared": {
        "lr": {"low": 0.02, "high": 0.3, "log": True},
        "temperature": {"low": 1.0, "high": 8.0, "log": True},
    },
}
# Apart by more than a sweep has seeds.
APART = 10_000
RESAMPLES = 10_000


@dataclass(frozen=True)
class Block:
    """What one sweep of copies showed: p of every pair, the spread of the differences between two
    copies, and how many differences its report called, of how many."""

    p: tuple[float, ...]
    largest: float
    spread: float
    called: int
    compared: int


def spec_of(mode: str, block: int, copies: int, seeds: int) -> SweepSpec:
    """The sweep of a block."""
    rows = [{"method": "fixed_kd", "label": f"copy_{number}"} for number in range(1, copies + 1)]
    name = f"aa-{list(MODES).index(mode)}-{block}"
    data = {
        **SWEEP,
        "name": name,
        "description": f"{copies} copies of one method, {mode}",
        "seed": APART * (1 + block),
        "methods": [{**rows[0], "baseline": True}, *rows[1:]],
        "search": {**SEARCH, **MODES[mode]},
        "confirm": {"seeds": seeds},
    }
    return check_spec(data, name)


def launched(spec: SweepSpec, places: Places) -> Shown:
    """Launch a sweep in a process of its own, or find it done; what it showed."""
    with tempfile.TemporaryDirectory(prefix="almkd-aa-") as folder:
        path = Path(folder) / f"{spec.name}.yaml"
        path.write_text(yaml.safe_dump(spec.model_dump(mode="json")), encoding="utf-8")
        command = [*COMMAND, "launch", str(path), "--runs-dir", str(places.runs_dir)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{spec.name}: {done.stderr.strip()}")
    return look(spec.name, places, open_store(places))


def seen(shown: Shown) -> Block:
    """What a sweep showed."""
    record = shown.record
    (condition,) = record.conditions
    pairs = [
        np.subtract(*paired_scores(record, condition, a, b))
        for a, b in itertools.combinations(record.methods, 2)
    ]
    never = np.random.default_rng(0)
    called = shown.table["called"][~shown.table["is_baseline"]]
    return Block(
        p=tuple(sign_flip_p(d, never).value for d in pairs),
        largest=max(abs(float(d.mean())) for d in pairs),
        spread=float(np.median([sample_std(d) for d in pairs])),
        called=int((called != "").sum()),
        compared=len(called),
    )


def line(mode: str, blocks: list[Block]) -> str:
    """A mode's row of the table."""
    share = np.array([np.mean(np.array(block.p) < LEVEL) for block in blocks])
    drawn = np.random.default_rng(0).choice(share, size=(RESAMPLES, len(share))).mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    pairs = sum(len(block.p) for block in blocks)
    below = sum(int(np.sum(np.array(block.p) < LEVEL)) for block in blocks)
    wrong = sum(block.called > 0 for block in blocks)
    exact = stats.binomtest(wrong, len(blocks)).proportion_ci(0.95, method="exact")
    calls = sum(block.called for block in blocks)
    compared = sum(block.compared for block in blocks)
    largest = max(block.largest for block in blocks)
    return (
        f"| {mode} | {below} of {pairs} ({100 * below / pairs:.1f} % [{100 * low:.1f}, "
        f"{100 * high:.1f}]) | {calls} of {compared} | {wrong} of {len(blocks)} "
        f"({100 * wrong / len(blocks):.0f} % [{100 * exact.low:.0f}, {100 * exact.high:.0f}]) | "
        f"{largest:.1f} | {np.median([block.spread for block in blocks]):.1f} |"
    )


HEAD = (
    "| what chooses | pairs with p < 0.05 | called after Holm | tables with a call | "
    "largest difference | spread of a difference |\n| --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """Run what is missing, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--blocks", type=int, default=20, help="sweeps of each way to choose")
    parser.add_argument("--copies", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=12, help="confirm seeds of each sweep")
    parser.add_argument("--runs", type=Path, default=Path("build/aa"), help="where sweeps are kept")
    given = parser.parse_args()
    say = partial(Console().print, soft_wrap=True, highlight=False, markup=False)
    places, began = Places(given.runs), time.monotonic()
    found: dict[str, list[Block]] = {mode: [] for mode in MODES}
    for block in range(given.blocks):
        for mode, blocks in found.items():
            spec = spec_of(mode, block, given.copies, given.seeds)
            blocks.append(seen(launched(spec, places)))
            below = sum(p < LEVEL for p in blocks[-1].p)
            say(
                f"{time.monotonic() - began:6.0f} s  block {block + 1} of {given.blocks}, {mode}: "
                f"{below} of {len(blocks[-1].p)} pairs below {LEVEL}, {blocks[-1].called} called",
            )
    say(
        f"\n{given.blocks} sweeps of each, {given.copies} copies of fixed_kd, {given.seeds} seeds, "
        f"digits, {100 * NOISE:.0f} % noise, {time.monotonic() - began:.0f} s\n\n{HEAD}"
    )
    for mode, blocks in found.items():
        say(line(mode, blocks))


if __name__ == "__main__":
    main()

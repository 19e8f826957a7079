"""The time left that a screen says of a sweep, against what was left: after the sweep has ended."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd

from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.status.progress import progress_of

# How much of the training was done when a screen is asked.
PARTS_DONE = (0.25, 0.5, 0.75)


def times_left(runs: Path, name: str) -> list[list[float | None]]:
    """Pairs of the seconds left that a screen says of a sweep and those that were left."""
    store = open_store(Places(runs), must_exist=True)
    record, plan = store.record(name), Plan(store.spec(name))
    trained = record.trials[record.trials["epochs_trained"] > 0]
    first, last = trained["started"].min(), (trained["started"] + trained["wall_s"]).max()
    found: list[list[float | None]] = []
    for part in PARTS_DONE:
        now = first + part * (last - first)
        then = replace(record, trials=at_moment(record.trials, now))
        seen = progress_of(plan, then, "running", now)
        found.append([seen.seconds_left, float(last - now)])
    return found


def at_moment(trials: pd.DataFrame, now: float) -> pd.DataFrame:
    """What was on record at a moment of the trials of a sweep that has ended."""
    begun = trials[trials["started"] <= now].copy()
    under_way = begun["started"] + begun["wall_s"] > now
    share = (now - begun["started"]) / begun["wall_s"]
    epochs = (begun["epochs_trained"] * share).where(under_way, begun["epochs_trained"])
    begun["epochs_trained"] = epochs.astype(int)
    begun.loc[under_way, ["state", "wall_s"]] = "running", math.nan
    return begun

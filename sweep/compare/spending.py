"""What a smaller search would have shown: the best value so far over the epochs spent.

T trials of a cell's search, R resamples, G budgets.
"""

import numpy as np
import pandas as pd

from sweep.compare.records import SweepRecord
from sweep.compare.statistics import CONFIDENCE, Floats

RESAMPLES = 1_000
BUDGETS = 60


def best_so_far(search: pd.DataFrame, record: SweepRecord) -> tuple[Floats, Floats]:
    """Epochs spent after each trial, by number, and the best value until then: (T,), (T,).

    Trials that were pruned or failed cost epochs and bring no value, as in the choice of what is
    confirmed; the value is NaN before the first complete one.
    """
    rows = search.sort_values("trial", kind="stable")
    return _spent(rows), _running_best(_values(rows, record)[None, :], record)[0]


def resampled_best(
    search: pd.DataFrame, record: SweepRecord, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Budgets (G,), and between what values the best so far lies in CONFIDENCE of the resamples.

    A resample is as many of the trials, drawn with replacement, in the order of the draw. That
    takes trials for exchangeable: a sampler that learns does better late than early, so the search
    itself may lie below the band at first and above it at the end. Source of the idea: Dodge et al.
    2019, "Show Your Work". A budget too small for most resamples to finish a trial is left out.
    """
    rows = search.sort_values("trial", kind="stable")
    values, epochs = _values(rows, record), rows["epochs_trained"].to_numpy(dtype=float)
    drawn = rng.integers(0, len(rows), size=(RESAMPLES, len(rows)))
    spent = np.cumsum(epochs[drawn], axis=1)
    best = _running_best(values[drawn], record)
    budgets = np.linspace(0.0, epochs.sum(), BUDGETS + 1)[1:]
    reached = np.full((RESAMPLES, BUDGETS), np.nan)
    for r in range(RESAMPLES):
        ended = np.searchsorted(spent[r], budgets, side="right")
        reached[r, ended > 0] = best[r, ended[ended > 0] - 1]
    enough = np.isfinite(reached).mean(axis=0) > CONFIDENCE
    tail = 100 * (1 - CONFIDENCE) / 2
    if not enough.any():
        return np.empty(0), np.empty(0), np.empty(0)
    low, high = np.nanpercentile(reached[:, enough], [tail, 100 - tail], axis=0)
    return budgets[enough], low, high


def _spent(rows: pd.DataFrame) -> Floats:
    return np.cumsum(rows["epochs_trained"].to_numpy(dtype=float))


def _values(rows: pd.DataFrame, record: SweepRecord) -> Floats:
    complete = (rows["state"] == "complete").to_numpy()
    values = rows[record.validation_column].to_numpy(dtype=float)
    return np.where(complete, values, np.nan)


def _running_best(values: Floats, record: SweepRecord) -> Floats:
    """(R, T) -> (R, T); NaN until the first value."""
    best = np.fmax if record.objective.direction == "maximize" else np.fmin
    return best.accumulate(values, axis=1)

"""Runs whose learned weights made them worse from their first update on.

It shows in the curves: the best epoch is no later than the first one with updated weights, and many
of these went straight to an end of their range. Too large a step of the weights does that.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sweep.compare.curves import Curves
from sweep.compare.notation import condition_text, listed
from sweep.compare.records import SweepRecord, completed, trials_of
from sweep.plan.plan import Condition

# What a method that weighs examples reports of the labels' mean weight, and of all weights.
WEIGHT, AT_ENDS = "lambda_label", "lambda_at_ends"
# How many epochs with updated weights a run has to have, before nothing better is a sign.
FEWEST_EPOCHS = 3


@dataclass(frozen=True)
class Collapse:
    """A run that never got better than before its weights were updated.

    ``first_update``: the epoch that trained with updated weights first; ``drop``: from the best
    value to the last, in the objective's unit; ``at_ends``: the share of weights at an end of their
    range after the first update, NaN where that was not measured.
    """

    seed: int
    best_epoch: int
    first_update: int
    drop: float
    at_ends: float


def collapses_of(
    record: SweepRecord, curves: Curves, condition: Condition, method: str
) -> list[Collapse]:
    """The confirm runs of a cell that collapsed."""
    runs = completed(trials_of(record, "confirm", condition, method), record.test_column)
    found = (_collapse(record, curves, row) for row in runs.to_dict("records"))
    return [collapse for collapse in found if collapse]


def collapses_table(record: SweepRecord, curves: Curves) -> pd.DataFrame:
    """One row per cell with a run that collapsed: how many did, and what that looked like."""
    rows = []
    for condition, method, found, runs in _cells(record, curves):
        rows.append(
            {
                **condition.columns,
                "method": method,
                "confirm_runs": runs,
                "collapsed": len(found),
                "best_epoch": float(np.median([c.best_epoch for c in found])),
                "first_update": float(np.median([c.first_update for c in found])),
                "drop": float(np.median([c.drop for c in found])),
                "weights_at_ends": float(np.median([c.at_ends for c in found])),
            }
        )
    return pd.DataFrame(rows)


def collapses_text(record: SweepRecord, curves: Curves) -> str:
    """Where runs collapsed, in a sentence; empty where none did."""
    places: dict[str, list[str]] = {}
    for condition, method, found, runs in _cells(record, curves):
        share = float(np.median([c.at_ends for c in found]))
        ends = "" if np.isnan(share) else f", then {100 * share:.0f} % of the weights at an end"
        where = condition_text(condition, record)
        places.setdefault(method, []).append(f"{where} ({len(found)} of {runs} runs{ends})")
    told = [f"{method} at {listed(there)}" for method, there in places.items()]
    if not told:
        return ""
    return (
        f"Collapsed, with the best epoch no later than the first update of the weights:"
        f" {'; '.join(told)}. Too large a step of the weights does that; such runs lower a mean,"
        " and do not show what the method can do."
    )


def _cells(
    record: SweepRecord, curves: Curves
) -> Iterator[tuple[Condition, str, list[Collapse], int]]:
    for condition, method in record.shown.values():
        found = collapses_of(record, curves, condition, method)
        if found:
            confirm = trials_of(record, "confirm", condition, method)
            yield condition, method, found, len(completed(confirm, record.test_column))


def _collapse(record: SweepRecord, curves: Curves, row: dict[object, object]) -> Collapse | None:
    run = str(row["run_id"])
    epochs, weights = curves.of(run, WEIGHT)
    moved = np.flatnonzero(weights != weights[0]) if len(weights) else np.empty(0, int)
    if not len(moved) or pd.isna(row["best_epoch"]):  # type: ignore[call-overload]
        return None
    first, best = int(epochs[moved[0]]), int(row["best_epoch"])  # type: ignore[call-overload]
    measured, values = curves.of(run, record.validation_column)
    if best > first or (measured > first).sum() < FEWEST_EPOCHS:
        return None
    drop = float(values[measured == best][0] - values[-1])
    when, shares = curves.of(run, AT_ENDS)
    at_ends = float(shares[when == first][0]) if (when == first).any() else float("nan")
    seed = int(row["seed"])  # type: ignore[call-overload]
    return Collapse(seed, best, first, drop, at_ends)

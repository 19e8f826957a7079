"""Methods that learn weights, against whichever row without learned weights would have been chosen.

In each condition that is the row with the best mean *validation* value over the confirm seeds, so
that no test value chooses it. What a practitioner would do in place of learning weights is that row
and not one baseline for all conditions.
"""

from collections.abc import Sequence

import pandas as pd

from sweep.compare.comparison import cell_rng, paired_scores
from sweep.compare.records import SweepRecord, completed, trials_of
from sweep.compare.statistics import bca_interval, mean
from sweep.plan.plan import Condition


def best_without_weights(record: SweepRecord, condition: Condition) -> str | None:
    """The row without learned weights that has the best validation mean; None where none has one.

    Of rows that finished in the most seeds.
    """
    return best_of(record, condition, [m for m in record.methods if m not in record.learns_weights])


def best_of(record: SweepRecord, condition: Condition, methods: Sequence[str]) -> str | None:
    """The same among some rows."""
    found: dict[str, tuple[int, float]] = {}
    for method in methods:
        runs = completed(trials_of(record, "confirm", condition, method), record.validation_column)
        if len(runs):
            found[method] = (len(runs), float(runs[record.validation_column].mean()))
    if not found:
        return None
    most = max(seeds for seeds, _ in found.values())
    means = {method: value for method, (seeds, value) in found.items() if seeds == most}
    best = max if record.objective.direction == "maximize" else min
    return best(means, key=means.__getitem__)


def against_best_table(record: SweepRecord, seed: int) -> pd.DataFrame:
    """One row per condition and method that learns weights: the reference, and the paired
    difference in the test metric with its 95 % interval. Nothing is tested."""
    rows = []
    for condition in record.conditions:
        reference = best_without_weights(record, condition)
        for method in record.learns_weights if reference else ():
            assert reference is not None
            a, b = paired_scores(record, condition, method, reference)
            cells = (record.cell(condition, name) for name in (method, reference))
            rng = cell_rng(seed, record.name, *cells, "against best")
            low, high = bca_interval(a - b, rng)
            rows.append(
                {
                    **condition.columns,
                    "method": method,
                    "reference": reference,
                    "n_seeds": len(a),
                    "delta": mean(a - b),
                    "delta_ci95_low": low,
                    "delta_ci95_high": high,
                }
            )
    return pd.DataFrame(rows)

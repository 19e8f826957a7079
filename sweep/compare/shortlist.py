"""What the shortlist of every search was, and which configuration it chose."""

from typing import Any

import numpy as np
import pandas as pd

from sweep.compare.records import SweepRecord, completed, trials_of
from sweep.compare.statistics import mean, sample_std
from sweep.plan.plan import Condition


def shortlist_table(record: SweepRecord) -> pd.DataFrame:
    """One row per configuration of a shortlist, from the best of its search on; empty without one.

    ``searched`` is the best validation value in the search, ``again`` that over the streams, with
    its standard deviation; both in the objective's unit. ``failed`` counts streams that failed,
    which rules a configuration out; ``chosen``: whether it was confirmed.
    """
    rows = [
        row
        for condition, method in record.shown.values()
        for row in _rows_of_cell(record, condition, method)
    ]
    return pd.DataFrame(rows)


def _rows_of_cell(record: SweepRecord, condition: Condition, method: str) -> list[dict[str, Any]]:
    column = record.validation_column
    runs = trials_of(record, "shortlist", condition, method)
    search = trials_of(record, "search", condition, method)
    confirmed = trials_of(record, "confirm", condition, method)
    rows = []
    for place, group in runs.groupby(["seed", "trial"], sort=True):
        seed, trial = (int(str(number)) for number in place)
        found = search[(search["seed"] == seed) & (search["trial"] == trial)]
        own = confirmed[confirmed["seed"] == seed] if record.per_seed else confirmed
        again = completed(group, column)[column].to_numpy(dtype=float)
        params = group["params"].iloc[0]
        rows.append(
            {
                **condition.columns,
                "method": method,
                "seed": seed,
                "trial": trial,
                "searched": float(found[column].iloc[0]) if len(found) else np.nan,
                "again": mean(again),
                "again_std": sample_std(again),
                "streams": len(again),
                "failed": int((group["state"] == "failed").sum()),
                "chosen": bool((own["params"] == params).any()),
                "params": params,
            }
        )
    sign = -1.0 if record.objective.direction == "maximize" else 1.0
    return sorted(rows, key=lambda row: (row["seed"], sign * row["searched"], row["trial"]))

"""The metrics beside the one that is tested: with intervals, and nothing called.

They are there to look at. A difference that is found among many metrics is no finding; whoever
wants to claim one names it as ``compare.metric`` before the sweep runs.
"""

import pandas as pd

from sweep.compare.comparison import comparison_table
from sweep.compare.notation import better_text, condition_title, decimals
from sweep.compare.records import SweepRecord
from sweep.compare.tables import NOTHING, delta_text, interval_text, rows_of
from sweep.plan.clean_labels import CLEAN_LABELS
from trainers.entries import Metric

MEAN, DIFFERENCE = "mean [95 % interval]", "difference [95 % interval]"


def exploratory_table(record: SweepRecord, seed: int) -> pd.DataFrame:
    """One row per metric, condition and method; empty where nothing else was measured."""
    rows = []
    for metric in record.others:
        looked_at = record.looking_at(metric)
        table = comparison_table(looked_at, seed)
        for condition in record.conditions:
            for row in rows_of(table, condition).to_dict("records"):
                digits = decimals(row["ci95_high"] - row["ci95_low"])
                known = row["n_seeds"] > 0
                mean = f"{row[f'{looked_at.test_column}_mean']:.{digits}f}" if known else NOTHING
                interval = interval_text(row["ci95_low"], row["ci95_high"], digits)
                rows.append(
                    {
                        "metric": _name(metric, looked_at),
                        "condition": condition_title(condition, record.conditions),
                        "method": row["method"],
                        MEAN: f"{mean} {interval}" if known else NOTHING,
                        "against": row["baseline"] or NOTHING,
                        DIFFERENCE: delta_text(row, digits),
                        CLEAN_LABELS: row[CLEAN_LABELS],
                    }
                )
    return pd.DataFrame(rows)


def with_conditions_across(table: pd.DataFrame) -> pd.DataFrame:
    """The same for a page: of each metric the methods' means, then what sets them apart."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in table.to_dict("records"):
        rows.setdefault((row["metric"], row["method"]), {})[row["condition"]] = row[MEAN]
    for row in table.to_dict("records"):
        if row["against"] != NOTHING:
            pair = f"{row['method']} minus {row['against']}"
            rows.setdefault((row["metric"], pair), {})[row["condition"]] = row[DIFFERENCE]
    metrics = list(dict.fromkeys(table["metric"]))
    return pd.DataFrame(
        [
            {"metric": metric, "mean or difference [95 % interval]": what, **cells}
            for (metric, what), cells in sorted(rows.items(), key=lambda x: metrics.index(x[0][0]))
        ]
    )


def _name(metric: Metric, record: SweepRecord) -> str:
    unit = {"percent": ", %"}.get(metric.unit, f", {metric.unit}" if metric.unit else "")
    return f"{metric.title}{unit} ({better_text(record)})"

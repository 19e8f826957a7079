"""Curves of a sweep, page by page: never more of them in memory than a page, unless asked for."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from sweep.compare.comparison import trials_table
from sweep.compare.records import SweepRecord
from sweep.compare.statistics import Floats

RUNS_PER_PAGE = 500
# What every row says of its trial, before the epoch and the metrics.
KEY_COLUMNS = (
    *("sweep", "stage", "cell", "method", "noise_kind", "noise_rate", "teacher_labels"),
    *("trial", "seed", "run_id"),
)
WEIGHT = "lambda_"  # begins the names of what a method that weighs its examples reports


class Histories(Protocol):
    """Where curves are read from."""

    def read(self, run_ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
        """Rows (run_id, epoch, one column per metric), by run and epoch; NaN where not logged."""
        ...


def curves_columns(metrics: Sequence[str], axes: Sequence[str] = ()) -> list[str]:
    """Columns of the curves table, in order."""
    return [*_key(axes), "epoch", *metrics]


def _key(axes: Sequence[str]) -> list[str]:
    place = KEY_COLUMNS.index("trial")
    return [*KEY_COLUMNS[:place], *axes, *KEY_COLUMNS[place:]]


def curves_pages(record: SweepRecord, histories: Histories) -> Iterator[pd.DataFrame]:
    """The curves table in pages: one row per trial and epoch, trials in the trials' order.

    A trial that has not finished an epoch has no row. At least one page comes, if an empty one.
    """
    trials = trials_table(record)[_key(record.axes)]
    for start in range(0, max(len(trials), 1), RUNS_PER_PAGE):
        page = trials.iloc[start : start + RUNS_PER_PAGE]
        rows = histories.read(list(page["run_id"]), record.curve_metrics)
        table = page.merge(rows, on="run_id", how="inner", validate="one_to_many")
        yield table[curves_columns(record.curve_metrics, record.axes)]


class Curves:
    """Some metrics of all runs of a sweep, in memory, by run: what the figures are drawn from."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """``rows``: (run_id, epoch, metrics …), by run and epoch."""
        self.metrics = tuple(rows.columns[2:])
        self._places = rows.groupby("run_id", sort=False).indices
        self._epochs = rows["epoch"].to_numpy(dtype=float)
        self._values = {metric: rows[metric].to_numpy(dtype=float) for metric in self.metrics}

    def of(self, run_id: str, metric: str) -> tuple[Floats, Floats]:
        """Epochs and values of a run, both (E,), without those that are missing."""
        if metric not in self._values or run_id not in self._places:
            return np.empty(0), np.empty(0)
        places = self._places[run_id]
        values = self._values[metric][places]
        known = ~np.isnan(values)
        return self._epochs[places][known], values[known]


def read_curves(record: SweepRecord, histories: Histories) -> Curves:
    """The curves that figures show: the objective on the validation split, and weights."""
    objective = record.validation_column
    shown = [m for m in record.curve_metrics if m == objective or m.startswith(WEIGHT)]
    run_ids = list(record.trials.loc[record.trials["stage"] != "teacher", "run_id"])
    pages = [
        histories.read(run_ids[start : start + RUNS_PER_PAGE], shown)
        for start in range(0, max(len(run_ids), 1), RUNS_PER_PAGE)
    ]
    return Curves(pd.concat(pages, ignore_index=True))

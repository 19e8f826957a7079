"""What the confirmed students said of each test example, as one table, a run at a time."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd
import pyarrow.parquet as pq

from sweep.compare.comparison import trials_table
from sweep.compare.records import SweepRecord, completed

# What every row says of its run, before what stands in the run's own table.
KEY_COLUMNS = ("sweep", "cell", "method", "noise_kind", "noise_rate", "teacher_labels")
AFTER_AXES = ("seed", "run_id")


class KeptPredictions(Protocol):
    """Where predictions are read from."""

    def file(self, run_id: str) -> Path | None:
        """The Parquet file of a run, on this machine; None where the run kept none."""
        ...


def predictions_columns(record: SweepRecord, kept: KeptPredictions) -> list[str]:
    """What the tables of all runs have between them, in order; empty where none kept any."""
    files = (kept.file(run_id) for run_id in _confirmed(record)["run_id"])
    return list(
        dict.fromkeys(name for file in files if file for name in pq.read_schema(file).names)
    )


def key_columns(axes: Sequence[str]) -> list[str]:
    """Those that say which run a row is of."""
    return [*KEY_COLUMNS, *axes, *AFTER_AXES]


def predictions_pages(record: SweepRecord, kept: KeptPredictions) -> Iterator[pd.DataFrame]:
    """A page for each finished confirm run that kept its predictions, in the trials' order."""
    keys = key_columns(record.axes)
    for run in _confirmed(record)[keys].to_dict("records"):
        if (file := kept.file(run["run_id"])) is not None:
            page = pd.read_parquet(file)
            yield pd.concat([pd.DataFrame([run] * len(page), columns=keys), page], axis=1)


def _confirmed(record: SweepRecord) -> pd.DataFrame:
    trials = trials_table(record)
    return completed(trials[trials["stage"] == "confirm"], record.test_column)

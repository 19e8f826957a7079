"""Tables of finished or running sweeps, from the tracking store to a file."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pandas as pd

from sweep.adapters.mlflow.run_files import FetchedPredictions
from sweep.adapters.mlflow.store import MlflowStore
from sweep.compare.conditions import parse_where
from sweep.compare.export import TABLES, Source, table_pages, write_long, write_wide
from sweep.compare.paper import Spread
from sweep.compare.predictions import predictions_columns
from sweep.compare.records import SweepRecord
from sweep.errors import BadInput, unknown
from sweep.places import Places, open_store
from sweep.results import joined_record
from sweep.table_files import check_target, written


@dataclass(frozen=True)
class Excerpt:
    """What is exported: which sweeps, which table, in which format, long or wide.

    ``metric``: what the comparison is about; None for what was tested. ``where``: conditions to be
    kept, each NAME=VALUE. ``together``: the sweeps are one comparison, not one below the other.
    """

    sweeps: tuple[str, ...]
    table: str
    form: str
    wide: bool
    spread: Spread
    metric: str | None = None
    where: tuple[str, ...] = ()
    together: bool = False

    def check(self, out: Path | None) -> None:
        """BadInput where it cannot be written to `out` (standard output if None)."""
        if not self.sweeps:
            raise BadInput("names no sweep; give one, or several with --sweep A --sweep B")
        if self.table not in TABLES:
            raise BadInput(f"--table: {unknown('table', self.table, TABLES)}")
        if self.together and self.table != "comparison":
            raise BadInput(
                f"{' '.join(self.sweeps)}: several sweeps are one table of comparison alone; for "
                f"their {self.table} name each with --sweep"
            )
        if self.metric and self.table != "comparison":
            raise BadInput(f"--metric: {self.table} has every metric; drop it or take comparison")
        if self.wide and self.table != "comparison":
            raise BadInput(f"--wide: {self.table} has no wide form; drop it or take comparison")
        check_target(self.form, out, self.table)


def export(excerpt: Excerpt, places: Places, out: Path | None, tell: Callable[[str], None]) -> int:
    """Write a table of some sweeps, read back from the tracking store; returns its rows.

    A file is replaced only when the table is complete. ``tell`` says what runs do not count.
    """
    excerpt.check(out)
    store = open_store(places, must_exist=True)
    with tempfile.TemporaryDirectory(prefix="almkd-") as scratch:
        sources = _sources(excerpt, store, tell, Path(scratch))
        where = [parse_where(text, [source.record for source in sources]) for text in excerpt.where]

        def write(stream: BinaryIO) -> int:
            if excerpt.wide:
                return write_wide(sources, excerpt.form, excerpt.spread, stream, where)
            return write_long(sources, excerpt.table, excerpt.form, stream, where)

        return written(write, excerpt.form, out)


def frame(name: str, store: MlflowStore, table: str) -> pd.DataFrame:
    """A table of one sweep as a data frame; BadInput where the sweep has none."""
    with tempfile.TemporaryDirectory(prefix="almkd-") as scratch:
        kept = FetchedPredictions(store.artifacts(), Path(scratch))
        source = Source(store.record(name), store.spec(name).seed, store.histories(), kept)
        if table == "predictions":
            _check_predictions([source])
        return pd.concat(table_pages([source], table), ignore_index=True)


def _sources(
    excerpt: Excerpt, store: MlflowStore, tell: Callable[[str], None], scratch: Path
) -> list[Source]:
    """The sweeps that are asked for; ``scratch`` takes files that are fetched on the way."""
    if excerpt.together:
        whole = joined_record(excerpt.sweeps, store)
        found = [(whole.record, whole.spec.seed)]
    else:
        found = [(store.record(name), store.spec(name).seed) for name in excerpt.sweeps]
    for notice in (line for record, _ in found for line in record.notices):
        tell(notice)
    histories = store.histories()
    kept = FetchedPredictions(store.artifacts(), scratch)
    sources = [
        Source(_about(record, excerpt.metric), seed, histories, kept) for record, seed in found
    ]
    if excerpt.table == "predictions":
        _check_predictions(sources)
    return sources


def _check_predictions(sources: Sequence[Source]) -> None:
    """BadInput where a sweep kept none, as those of earlier versions."""
    for source in sources:
        if not predictions_columns(source.record, source.predictions):
            raise BadInput(
                f"{source.record.name}: no finished confirm run kept its predictions; launch it "
                "with this version, under another name with --fork NAME"
            )


def _about(record: SweepRecord, metric: str | None) -> SweepRecord:
    """The record about a metric; BadInput where its runs have no such value."""
    if metric is None or metric == record.metric:
        return record
    known = {other.name: other for other in record.others}
    if metric not in known:
        raise BadInput(
            f"--metric: {unknown('test metric of ' + record.name, metric, [record.metric, *known])}"
        )
    return record.looking_at(known[metric])

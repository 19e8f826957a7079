"""The tables of one or several sweeps, in any format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import pandas as pd

from sweep.compare.comparison import comparison_table, trials_table
from sweep.compare.conditions import Where
from sweep.compare.cost import cost_table
from sweep.compare.curves import Histories, curves_columns, curves_pages
from sweep.compare.formats import WRITERS
from sweep.compare.paper import WIDE_TEXT, Spread, paper_table, side_by_side, wide_frame
from sweep.compare.predictions import (
    KeptPredictions,
    key_columns,
    predictions_columns,
    predictions_pages,
)
from sweep.compare.records import SweepRecord


@dataclass(frozen=True)
class Source:
    """A sweep to export: its record, the seed of its resampling, where curves and predictions are
    read."""

    record: SweepRecord
    seed: int
    histories: Histories
    predictions: KeptPredictions


def table_pages(sources: Sequence[Source], table: str) -> Iterator[pd.DataFrame]:
    """A table of several sweeps, rows stacked in the order given; all pages have equal columns.

    A column that one sweep lacks, such as another metric, is missing in its rows.
    """
    return TABLES[table](sources)


def write_long(
    sources: Sequence[Source], table: str, form: str, out: BinaryIO, where: Sequence[Where] = ()
) -> int:
    """Write a table page by page; returns the number of its rows."""
    rows = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal rows
        for page in table_pages(sources, table):
            for condition in where:
                page = page[page[condition.column].map(condition.keeps)]
            rows += len(page)
            yield page

    WRITERS[form](counted(), out)
    return rows


def write_wide(
    sources: Sequence[Source],
    form: str,
    spread: Spread,
    out: BinaryIO,
    where: Sequence[Where] = (),
) -> int:
    """Write the comparison as papers print it; returns the number of its rows."""
    wide = side_by_side(
        [
            paper_table(source.record, comparison_table(source.record, source.seed), source.seed)
            for source in sources
        ]
    )
    kept = [
        column
        for column in wide.columns
        if all(w.keeps(column.columns.get(w.column)) for w in where)
    ]
    wide = replace(wide, columns=tuple(kept))
    if form in WIDE_TEXT:
        out.write(WIDE_TEXT[form](wide, spread).encode())
    else:
        WRITERS[form]([wide_frame(wide)], out)
    return len(wide.rows)


def _comparison(sources: Sequence[Source]) -> Iterator[pd.DataFrame]:
    yield _stacked([comparison_table(source.record, source.seed) for source in sources])


def _trials(sources: Sequence[Source]) -> Iterator[pd.DataFrame]:
    yield _stacked([trials_table(source.record) for source in sources])


def _cost(sources: Sequence[Source]) -> Iterator[pd.DataFrame]:
    yield _stacked([cost_table(source.record) for source in sources])


def _curves(sources: Sequence[Source]) -> Iterator[pd.DataFrame]:
    metrics = dict.fromkeys(m for source in sources for m in source.record.curve_metrics)
    axes = dict.fromkeys(axis for source in sources for axis in source.record.axes)
    columns = curves_columns(list(metrics), list(axes))
    for source in sources:
        for page in curves_pages(source.record, source.histories):
            yield page.reindex(columns=columns)


def _predictions(sources: Sequence[Source]) -> Iterator[pd.DataFrame]:
    axes = dict.fromkeys(axis for source in sources for axis in source.record.axes)
    columns = key_columns(list(axes))
    said = [predictions_columns(source.record, source.predictions) for source in sources]
    columns += dict.fromkeys(name for names in said for name in names)
    for source in sources:
        for page in predictions_pages(source.record, source.predictions):
            yield page.reindex(columns=columns)


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    columns = dict.fromkeys(column for frame in frames for column in frame.columns)
    return pd.concat([f.reindex(columns=list(columns)) for f in frames], ignore_index=True)


# Table -> function from sweeps to its pages.
TABLES: Mapping[str, Callable[[Sequence[Source]], Iterator[pd.DataFrame]]] = {
    "comparison": _comparison,
    "trials": _trials,
    "cost": _cost,
    "curves": _curves,
    "predictions": _predictions,
}

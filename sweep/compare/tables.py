"""The comparison table for the terminal, and what all renderings of it share."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from sweep.compare import statistics
from sweep.compare.notation import (
    axis_label,
    better_text,
    counted,
    decimals,
    label_on,
    noise_text,
    p_text,
    teachers_differ,
    varying,
)
from sweep.compare.questions import EXPLORATORY, exploratory_count, pairs
from sweep.compare.records import SweepRecord, scores
from sweep.compare.scope import scope_of
from sweep.compare.statistics import LEVEL
from sweep.plan.plan import Condition

NOTHING = "–"  # noqa: RUF001 - an en dash marks an empty cell, as printed tables do
FAILED = "failed"


def to_rich(table: pd.DataFrame, record: SweepRecord) -> Table:
    """A comparison table for the terminal; about 100 characters wide.

    Exploratory differences are not here. One section per condition, one line for each row or for
    each of its declared differences. The best mean of a section is bold; a called difference says
    "better" or "worse" in words, so that nothing hangs on colour.
    """
    what = f"{axis_label(record)}, {better_text(record)}"
    view = _view(record, what, caption(record))
    if _names_both(record):
        view.add_column("against", overflow="fold")
    for heading in ("mean ± std", "95 % CI", "difference [95 % CI]", "p\n(Holm)"):
        view.add_column(heading, justify="right", no_wrap=True)
    view.add_column("called")
    lacking = bool((table["n_seeds"] < len(record.confirm_seeds)).any())
    for heading in (*(["seeds"] * lacking), "trials/\npruned"):
        view.add_column(heading, justify="right")
    digits = _column_decimals(table[f"{record.test_column}_std"])
    for condition in record.conditions:
        _add_section(view, table, record, condition, (digits, lacking))
    return view


def against_to_rich(record: SweepRecord) -> Table | None:
    """The means of the two metrics that the task draws against each other, for the terminal.

    A line for each cell; None where there are no two such metrics.
    """
    if not record.measured_against:
        return None
    seen = [record.looking_at(metric) for metric in record.measured_against]
    first, second = (metric.title for metric in record.measured_against)
    view = _view(
        record, f"{second} against {first}", "mean ± std over seeds; nothing is tested here"
    )
    for one in seen:
        view.add_column(f"{axis_label(one)}\n{better_text(one)}", justify="right")
    spreads = [[_mean_and_std(cell)[1] for cell in one.scores_by_cell.values()] for one in seen]
    digits = [_column_decimals(deviations) for deviations in spreads]
    for condition in record.conditions:
        for method in record.methods:
            found = [scores(one, condition, method) for one in seen]
            cells = [
                _spread_text(*_mean_and_std(values), places) if values else NOTHING
                for values, places in zip(found, digits, strict=True)
            ]
            view.add_row(
                *_place(record, condition, method == record.methods[0]),
                *map(Text, (method, *cells)),
                end_section=method == record.methods[-1],
            )
    return view


def _view(record: SweepRecord, what: str, words: str) -> Table:
    """A table without lines, with the columns that tell conditions and methods apart."""
    seeds = counted(len(record.confirm_seeds), "seed")
    view = Table(
        title=f"{record.name} on {record.dataset}: {what}, {seeds}",
        caption=words,
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
    )
    for axis in varying(record.conditions):
        view.add_column(axis, overflow="fold")
    view.add_column("noise", no_wrap=True)
    if teachers_differ(record.conditions):
        view.add_column("teacher\nlabels")
    # Folded rather than cut short on a narrow terminal: two methods may share a beginning.
    view.add_column("method", overflow="fold")
    return view


def caption(record: SweepRecord) -> str:
    """What the words of the table mean."""
    few = f"; {EXPLORATORY} differences are in the report"
    untested = few if exploratory_count(record) else ""
    return (
        f"better, worse: the interval excludes zero and p (Holm) < {LEVEL}, for {scope_of(record)}"
        f"{untested}"
    )


def rows_of(table: pd.DataFrame, condition: Condition) -> pd.DataFrame:
    """Rows of a comparison table that belong to one condition."""
    columns = condition.columns
    return table[np.logical_and.reduce([table[name] == value for name, value in columns.items()])]


def _column_decimals(deviations: Iterable[float]) -> int:
    """One number of decimals for the whole table, so that a column lines up."""
    known = [deviation for deviation in deviations if deviation > 0.0]
    return decimals(float(np.median(known))) if known else decimals(0.0)


def _mean_and_std(by_seed: Mapping[int, float]) -> tuple[float, float]:
    values = np.array(list(by_seed.values()))
    return statistics.mean(values), statistics.sample_std(values)


def _place(record: SweepRecord, condition: Condition, first: bool) -> list[Text]:
    """What tells a condition apart, on the first of its lines alone."""
    cells = [label_on(condition, axis) for axis in varying(record.conditions)]
    cells.append(noise_text(condition, record.conditions))
    if teachers_differ(record.conditions):
        cells.append(condition.teacher_labels)
    return [Text(cell if first else "") for cell in cells]


def _add_section(
    view: Table,
    table: pd.DataFrame,
    record: SweepRecord,
    condition: Condition,
    shown: tuple[int, bool],
) -> None:
    """``shown``: decimals, and whether rows say how many seeds they have."""
    digits, lacking = shown
    rows = _few(rows_of(table, condition))
    means = rows[f"{record.test_column}_mean"]
    best = means.max() if record.direction == "maximize" else means.min()
    for position, row in enumerate(rows.to_dict("records")):
        mean = row[f"{record.test_column}_mean"]
        std = row[f"{record.test_column}_std"]
        cells = [
            *_place(record, condition, position == 0),
            Text(row["method"]),
            *([Text(row["baseline"] or NOTHING)] * _names_both(record)),
            Text(_mean_text(row, mean, std, digits), style="bold" if mean == best else ""),
            Text(interval_text(row["ci95_low"], row["ci95_high"], digits)),
            Text(delta_text(row, digits)),
            Text(NOTHING if np.isnan(row["p_holm"]) else p_text(row["p_holm"]).removeprefix("= ")),
            Text(verdict_text(row), style="bold" if row["called"] else ""),
            *([Text(f"{row['n_seeds']}/{len(record.confirm_seeds)}")] * lacking),
            Text(f"{row['n_trials']}/{row['n_pruned']}"),
        ]
        view.add_row(*cells, end_section=position == len(rows) - 1)


def _few(rows: pd.DataFrame) -> pd.DataFrame:
    """Of a condition: what is declared, and of a method of which nothing is, its mean alone."""
    tested = rows["question"] != EXPLORATORY
    without = ~rows["method"].isin(rows.loc[tested, "method"])
    few = rows[tested | (without & ~rows["method"].duplicated())].copy()
    alone = few["question"] == EXPLORATORY
    few.loc[alone, ["baseline", "question"]] = ""
    few.loc[alone, "delta"] = np.nan
    return few


def verdict_text(row: Mapping[Any, Any]) -> str:
    """What is said of a row's difference: better, worse, nothing, or that it was not tested."""
    return str(row["called"]) or (EXPLORATORY if row["question"] == EXPLORATORY else "")


def _names_both(record: SweepRecord) -> bool:
    """Whether a row has to say what it is compared with."""
    return len({other for _, other in pairs(record)}) > 1


def without_a_mean(row: Mapping[Any, Any]) -> str:
    """What a row of the comparison table shows for its mean where no seed brought a value."""
    searched = row["n_trials"] > 0
    failed = row["n_failed_seeds"] > 0 or (searched and row["n_failed"] == row["n_trials"])
    return FAILED if failed else NOTHING


def _mean_text(row: Mapping[Any, Any], mean: float, std: float, digits: int) -> str:
    return without_a_mean(row) if np.isnan(mean) else _spread_text(mean, std, digits)


def _spread_text(mean: float, std: float, digits: int) -> str:
    return f"{mean:.{digits}f}" if np.isnan(std) else f"{mean:.{digits}f} ± {std:.{digits}f}"


def interval_text(low: float, high: float, digits: int) -> str:
    """An interval: "[94.9, 95.5]"."""
    return NOTHING if np.isnan(low) else f"[{low:z.{digits}f}, {high:z.{digits}f}]"


def delta_text(row: Mapping[Any, Any], digits: int) -> str:
    """A row's difference with its interval: "+2.9 [1.8, 4.5]"."""
    if np.isnan(row["delta"]):
        return NOTHING
    interval = interval_text(row["delta_ci95_low"], row["delta_ci95_high"], digits)
    return f"{row['delta']:+z.{digits}f} {interval}"

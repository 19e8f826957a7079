"""Tables as text."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from sweep.compare.comparison import comparison_table, trials_table
from sweep.compare.records import SweepRecord
from sweep.compare.tables import FORMATS, to_csv, to_markdown, to_rich
from sweep.plan import Condition

MakeRecord = Callable[..., SweepRecord]


def read(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def texts(column: "pd.Series[Any]") -> list[str]:
    return ["" if pd.isna(value) else str(value) for value in column]


def terminal(table: pd.DataFrame, record: SweepRecord, styled: bool = False) -> str:
    console = Console(
        width=130, file=io.StringIO(), force_terminal=styled, legacy_windows=False, record=True
    )
    console.print(to_rich(table, record))
    return console.export_text(styles=styled)


def test_csv_reads_back_equal(record: SweepRecord) -> None:
    for table in (comparison_table(record, 0), trials_table(record)):
        back = read(to_csv(table))
        assert list(back.columns) == list(table.columns)
        for column in table.columns:
            if pd.api.types.is_numeric_dtype(table[column]):
                expected = table[column].astype(float).to_numpy(dtype=float, na_value=np.nan)
                np.testing.assert_array_equal(back[column].astype(float), expected)
            else:
                assert texts(back[column]) == texts(table[column])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_csv_leaves_no_formula_to_a_spreadsheet(start: str) -> None:
    table = pd.DataFrame({f"{start}head": [f"{start}cmd|' /C calc'!A0", "plain"]})
    back = pd.read_csv(io.StringIO(to_csv(table), newline=""))
    assert back.columns[0] == f"'{start}head"
    assert list(back.iloc[:, 0]) == [f"'{start}cmd|' /C calc'!A0", "plain"]


def test_a_carriage_return_starts_no_row_of_its_own() -> None:
    text = to_csv(pd.DataFrame({"reason": ["out of memory\r=1+1"], "seed": [1]}))
    back = pd.read_csv(io.StringIO(text, newline=""))
    assert list(back["reason"]) == ["out of memory\r=1+1"]


def test_csv_leaves_numbers_alone() -> None:
    text = to_csv(pd.DataFrame({"delta": [-1.5, np.nan], "count": pd.array([-2, None], "Int64")}))
    assert text.splitlines()[1] == "-1.5,-2"
    assert "'" not in text


def test_markdown_keeps_its_columns() -> None:
    table = pd.DataFrame({"name": ["a|b", "1e5"], "value": [1.23456789, np.nan]})
    lines = to_markdown(table).splitlines()
    assert [line.replace("\\|", "").count("|") for line in lines] == [3] * 4
    assert r"a\|b" in lines[2]
    assert "1.2346" in lines[2]
    assert "1e5" in lines[3]
    assert "nan" not in lines[3]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_renders_every_table(name: str, record: SweepRecord) -> None:
    for table in (comparison_table(record, 0), trials_table(record), pd.DataFrame({"a": []})):
        assert str(table.columns[0]) in FORMATS[name](table)


def test_rendering_leaves_the_table_alone(record: SweepRecord) -> None:
    table = comparison_table(record, 0)
    before = table.copy(deep=True)
    for render in FORMATS.values():
        render(table)
    terminal(table, record)
    pd.testing.assert_frame_equal(table, before)


def test_terminal_shows_cells_verdicts_and_gaps(make_record: MakeRecord) -> None:
    record = make_record(drop=lambda t: t[~((t["stage"] == "confirm") & (t["noise_rate"] == 0.6))])
    text = terminal(comparison_table(record, 0), record)
    rows = [line for line in text.splitlines() if "_kd" in line]
    assert len(rows) == 6
    assert "better" in rows[3]
    assert "8/8" in rows[3]
    assert "4/1" in rows[3]
    assert "0/8" in rows[5]
    assert "Test accuracy (%), higher is better" in text


@pytest.mark.parametrize(("direction", "best"), [("maximize", "alm_kd"), ("minimize", "fixed_kd")])
def test_the_best_mean_is_bold(make_record: MakeRecord, direction: str, best: str) -> None:
    record = make_record(direction=direction)
    table = comparison_table(record, 0)
    text = terminal(table, record, styled=True)
    row = table[(table["method"] == best) & (table["noise_rate"] == 0.6)].iloc[0]
    assert f"\x1b[1m{row['test_accuracy_mean']:.2f} ±" in text


def test_terminal_names_what_sets_conditions_apart(make_record: MakeRecord) -> None:
    conditions = (
        Condition("symmetric", 0.4, "noisy"),
        Condition("pair", 0.4, "noisy"),
        Condition("pair", 0.4, "clean"),
    )
    record = make_record(
        conditions=conditions,
        methods=("fixed_kd", "[bold]odd", "cross_entropy"),
        baselines=("fixed_kd", "cross_entropy"),
        values=lambda c, m, s: 90.0 + s,
    )
    text = terminal(comparison_table(record, 0), record)
    for word in ("40 % symmetric", "40 % pair", "clean", "against", "[bold]odd"):
        assert word in text

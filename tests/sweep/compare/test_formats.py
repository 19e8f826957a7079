"""Tables as files: numbers come back as they were, text cannot do harm."""

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table, trials_table
from sweep.compare.formats import WRITERS, latex_text, to_csv, to_html, to_latex, to_markdown
from sweep.compare.records import SweepRecord

# Doubles whose shortest decimal form has 16 or 17 digits, and the ends of the range.
AWKWARD = np.array([0.1 + 0.2, 1 / 3, 95.55555725097656, 5e-324, 1.7976931348623157e308, -0.0])


def read(text: str) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(text))


def texts(column: "pd.Series[Any]") -> list[str]:
    return ["" if pd.isna(value) else str(value) for value in column]


def written(form: str, *pages: pd.DataFrame) -> bytes:
    out = io.BytesIO()
    WRITERS[form](pages, out)
    return out.getvalue()


READERS: dict[str, Callable[[bytes], pd.DataFrame]] = {
    "csv": lambda data: pd.read_csv(io.BytesIO(data)),
    "parquet": lambda data: pd.read_parquet(io.BytesIO(data)),
    "json": lambda data: pd.DataFrame(json.loads(data)),
}


@pytest.mark.parametrize("form", READERS)
def test_numbers_read_back_exactly_page_by_page(form: str) -> None:
    noise = np.random.default_rng(0).normal(size=500)
    table = pd.DataFrame({"value": np.concatenate([AWKWARD, noise]), "name": "x"})
    back = READERS[form](written(form, table.iloc[:3], table.iloc[3:200], table.iloc[200:]))
    np.testing.assert_array_equal(back["value"].to_numpy(), table["value"].to_numpy())


def test_json_reads_back_exactly_in_pandas_where_asked_to() -> None:
    data = written("json", pd.DataFrame({"value": AWKWARD[:3]}))
    back = pd.read_json(io.BytesIO(data), precise_float=True)
    np.testing.assert_array_equal(back["value"], AWKWARD[:3])


@pytest.mark.parametrize("form", READERS)
def test_missing_is_missing_and_whole_numbers_stay_whole(form: str) -> None:
    table = pd.DataFrame(
        {
            "trial": pd.array([3, None], "Int64"),
            "value": [np.nan, 1.5],
            "reason": [None, 'it\'s, "odd"\nand long'],
            "empty": [None, None],
        }
    )
    back = READERS[form](written(form, table.iloc[:1], table.iloc[1:]))
    assert int(back["trial"][0]) == 3
    assert back[["value", "reason", "empty"]].iloc[0].isna().all()
    assert pd.isna(back["trial"][1])
    assert back["reason"][1] == table["reason"][1]


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_takes_every_table_and_leaves_it_alone(form: str, record: SweepRecord) -> None:
    for table in (comparison_table(record, 0), trials_table(record), pd.DataFrame({"a": []})):
        before = table.copy(deep=True)
        data = written(form, table)
        assert str(table.columns[0]).encode() in data or (form == "json" and table.empty)
        pd.testing.assert_frame_equal(table, before)


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


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"]
)
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


def test_markdown_has_no_html_code_or_link_of_anyones() -> None:
    evil = "<script>alert(1)</script> ![](http://spy/) [a](javascript:b) `c` \\| d"
    (head, _, row) = to_markdown(pd.DataFrame({evil: [evil]})).splitlines()
    for line in (head, row):
        assert "<" not in line
        assert "](" not in line
        # Of a backslash and a pipe, each escaped.
        assert re.findall(r"(?<!\\)(?:\\\\)*([|`])", line) == ["|", "|"]
        assert "&lt;script>alert(1)&lt;/script>" in line


def test_latex_escapes_all_that_it_would_not_print() -> None:
    assert latex_text(r"a_b & 5% \x{y} #1 ~ ^ $") == (
        r"a\_b \& 5\% \textbackslash{}x\{y\} \#1 \textasciitilde{} \textasciicircum{} \$"
    )
    text = to_latex(pd.DataFrame({"name": ["[1]"], "value": [1.23456789]}))
    assert "{[}1] & 1.2346" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 1


def test_a_long_latex_table_runs_over_pages() -> None:
    text = to_latex(pd.DataFrame({"value": range(100)}))
    assert r"\begin{longtable}{r}" in text
    assert r"\endhead" in text


def test_html_escapes_every_cell_and_name() -> None:
    evil = "<script>alert(1)</script>"
    page = to_html(pd.DataFrame({evil: [evil, "&"]}))
    tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.append(tag)

    Parser().feed(page)
    assert "script" not in tags
    assert page.count("&lt;script&gt;") == 2

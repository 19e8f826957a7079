"""The wide table: which is bold, which is underlined, and what it says in each format."""

import io
from collections.abc import Callable
from itertools import chain
from typing import Any

import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table
from sweep.compare.export import Source, write_wide
from sweep.compare.paper import (
    PaperTable,
    paper_table,
    side_by_side,
    wide_frame,
    wide_html,
    wide_latex,
    wide_markdown,
)
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition
from tests.sweep.compare.nothing_kept import NOTHING_KEPT

Make = Callable[..., SweepRecord]
METHODS = ("fixed_kd", "alm_kd", "cross_entropy")
# Per condition: level, level and behind; ahead by far, behind.
MEANS = {"fixed_kd": (90.0, 80.0), "alm_kd": (90.1, 85.0), "cross_entropy": (85.0, 70.0)}


def stepped(condition: int, method: str, seed: int) -> float:
    return MEANS[method][condition] + 0.5 * ((seed * (2 + METHODS.index(method))) % 5)


def make_table(make_record: Make, **changes: Any) -> PaperTable:
    fields: dict[str, Any] = {
        "methods": METHODS,
        "baselines": METHODS[:1],
        "conditions": tuple(Condition("symmetric", rate, "noisy") for rate in (0.0, 0.4)),
        "confirm_seeds": tuple(range(10)),
        "values": stepped,
    } | changes
    record = make_record(**fields)
    return paper_table(record, comparison_table(record, 0), 0)


def marks(table: PaperTable) -> dict[str, list[str]]:
    """best, level or worse, per method over the conditions."""
    return {
        method: [
            "best" if cell.best else "level" if cell.not_worse else "worse"
            for condition in table.columns
            for cell in [table.cells[(sweep, method), condition]]
        ]
        for sweep, method in table.rows
    }


def test_best_is_marked_and_so_is_what_is_not_significantly_worse(make_record: Make) -> None:
    assert marks(make_table(make_record)) == {
        "fixed_kd": ["level", "worse"],
        "alm_kd": ["best", "best"],
        "cross_entropy": ["worse", "worse"],
    }


def test_lower_can_be_best(make_record: Make) -> None:
    assert marks(make_table(make_record, direction="minimize"))["cross_entropy"] == ["best"] * 2


def test_with_few_seeds_nothing_is_significantly_worse(make_record: Make) -> None:
    table = make_table(make_record, confirm_seeds=(0, 1, 2))
    assert "worse" not in set(chain.from_iterable(marks(table).values()))


def test_equal_means_are_all_best(make_record: Make) -> None:
    table = make_table(make_record, values=lambda c, m, s: 90.0 + s)
    assert set(chain.from_iterable(marks(table).values())) == {"best"}


def test_latex_is_booktabs_with_bold_and_underline(make_record: Make) -> None:
    table = make_table(make_record)
    lines = wide_latex(table, "interval").splitlines()
    (row,) = [line for line in lines if line.startswith(r"alm\_kd")]
    assert row.count(r"\textbf{") == 2
    assert row.count("[") == 2
    assert row.endswith(r" \\")
    assert r"\underline{" in next(line for line in lines if line.startswith(r"fixed\_kd"))
    assert [line for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"0 \% noise & 40 \% noise" in "".join(lines)
    assert r" $\pm$ " in wide_latex(table, "std")


def test_every_row_has_as_many_cells_as_the_head(make_record: Make) -> None:
    rows = [r for r in wide_latex(make_table(make_record), "std").splitlines() if r.endswith(r"\\")]
    assert {row.count("&") for row in rows} == {2}


def test_markdown_and_html_carry_the_same_marks(make_record: Make) -> None:
    table = make_table(make_record)
    assert wide_markdown(table, "std").count("**") == 4
    assert wide_markdown(table, "std").count("<ins>") == 1
    page = wide_html(table, "interval")
    assert page.count("<strong>") == 2
    assert page.count("<u>") == 1
    assert "Bold: the best mean" in page


def test_missing_cells_and_seeds_are_seen(make_record: Make) -> None:
    def drop(trials: pd.DataFrame) -> pd.DataFrame:
        confirm = trials["stage"] == "confirm"
        gone = (trials["method"] == "alm_kd") & (trials["noise_rate"] == 0.4)
        some = (trials["method"] == "fixed_kd") & (trials["seed"] == 3)
        return trials[~(confirm & (gone | some))]

    table = make_table(make_record, drop=drop)
    text = wide_markdown(table, "std")
    assert "–" in next(line for line in text.splitlines() if "alm_kd" in line)  # noqa: RUF001
    assert "* ±" in next(line for line in text.splitlines() if "fixed_kd" in line)
    assert "*: fewer seeds than planned" in wide_html(table, "std")


def test_numbers_are_those_of_the_comparison(make_record: Make) -> None:
    record = make_record()
    long = comparison_table(record, 0)
    frame = wide_frame(paper_table(record, long, 0))
    row = long[(long["method"] == "alm_kd") & (long["noise_rate"] == 0.4)].iloc[0]
    wide = frame[frame["method"] == "alm_kd"].iloc[0]
    assert wide["40 % noise: mean"] == row["test_accuracy_mean"]
    assert wide["40 % noise: low"] == row["ci95_low"]


def test_sweeps_side_by_side_keep_their_conditions_apart(make_record: Make) -> None:
    first = make_table(make_record)
    pair = tuple(Condition("pair", rate, "noisy") for rate in (0.0, 0.4))
    other = make_table(make_record, name="other", conditions=pair)
    both = side_by_side([first, other])
    text = wide_latex(both, "std")
    assert len(both.rows) == 6
    assert len(both.columns) == 4
    assert r"40 \% symmetric noise" in text
    assert r"40 \% pair noise" in text
    assert text.count(r"\midrule") == 2


@pytest.mark.parametrize("form", ["csv", "parquet", "json", "markdown", "latex", "html"])
def test_every_format_has_a_wide_form(form: str, make_record: Make, make_histories: Any) -> None:
    record = make_record()
    out = io.BytesIO()
    assert (
        write_wide([Source(record, 0, make_histories(record), NOTHING_KEPT)], form, "std", out) == 2
    )
    assert out.getvalue()

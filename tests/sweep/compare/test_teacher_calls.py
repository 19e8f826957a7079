"""How many calls of teachers a row had: in the tables and in a sentence, where they are limited."""

from collections.abc import Callable
from dataclasses import replace

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.fairness import fairness_table
from sweep.compare.formats import latex_text
from sweep.compare.paper import (
    paper_table,
    side_by_side,
    wide_html,
    wide_latex,
    wide_markdown,
)
from sweep.compare.records import SweepRecord
from sweep.compare.teacher_calls import teacher_calls_text

Make = Callable[..., SweepRecord]


def _limited(make_record: Make) -> SweepRecord:
    record = make_record()
    calls = {
        record.cell(condition, method): "none" if method == "fixed_kd" else number
        for condition, number in zip(record.conditions, ("40", "161", "808"), strict=True)
        for method in record.methods
    }
    return make_record(calls=calls)


def test_tables_have_a_column_of_them(make_record: Make) -> None:
    record = _limited(make_record)
    table = comparison_table(record, 0)
    assert table.columns[-1] == "teacher_calls"
    own = table[table["method"] == "alm_kd"]
    assert own["teacher_calls"].tolist() == ["40", "161", "808"]
    assert set(fairness_table(record)["teacher_calls"]) == {"none", "40", "161", "808"}


def test_a_sentence_says_how_many(make_record: Make) -> None:
    record = _limited(make_record)
    said = teacher_calls_text(record)
    assert said == "Teacher calls, of training examples alone: fixed_kd none; alm_kd 40 to 808."
    table = comparison_table(record, 0)
    assert said in answer(table, record)
    wide = paper_table(record, table, 0)
    for render in (wide_markdown, wide_html):
        assert said in render(wide, "std")
    assert latex_text(said) in wide_latex(wide, "std")
    several = side_by_side([wide, replace(wide, rows=(("other", "fixed_kd"),))])
    assert several.given[0].startswith("Teacher calls in digits-noise, of training examples")
    assert several.given[1].startswith("Teacher calls in other, of training examples")


def test_without_a_limit_nothing_is_said(record: SweepRecord) -> None:
    assert "teacher_calls" not in comparison_table(record, 0)
    assert "teacher_calls" not in fairness_table(record)
    assert teacher_calls_text(record) == ""

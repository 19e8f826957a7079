"""Rows that end below what they contain."""

from collections.abc import Callable

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.contained import below_contained
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

CONDITIONS = tuple(Condition("symmetric", rate, "noisy") for rate in (0.2, 0.6))
Make = Callable[..., SweepRecord]


def _record(make_record: Make, gain: float, **changes: object) -> SweepRecord:
    """``labels`` is ``gain`` above ``fixed_kd`` at 60 % noise, and as much below at 20 %."""

    def value(condition: int, method: str, seed: int) -> float:
        sign = 1.0 if condition else -1.0
        return 90.0 + 0.1 * seed + (sign * gain if method == "labels" else 0.0)

    contains = {f"{c}/fixed_kd": {"labels": "alpha 0.0"} for c in CONDITIONS}
    return make_record(
        values=value,
        methods=("fixed_kd", "labels"),
        baselines=("fixed_kd",),
        conditions=CONDITIONS,
        contains=contains,
        **changes,
    )


def test_row_below_what_it_contains_is_told_where_and_by_how_much(make_record: Make) -> None:
    record = _record(make_record, 1.5)
    (line,) = below_contained(record)
    assert line.startswith("fixed_kd contains labels (at alpha 0.0) and has the worse mean at")
    assert "60 % noise (-1.50 [-1.50, -1.50])" in line
    assert "20 %" not in line
    assert line in answer(comparison_table(record, 0), record)


def test_lower_is_worse_only_where_more_is_better(make_record: Make) -> None:
    (line,) = below_contained(_record(make_record, 1.5, direction="minimize"))
    assert "20 % noise (+1.50 [+1.50, +1.50])" in line
    assert "60 %" not in line


def test_nothing_is_told_of_rows_that_contain_nothing(record: SweepRecord) -> None:
    assert below_contained(record) == []

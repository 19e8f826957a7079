"""Declared and exploratory differences: in the table, the answer, the terminal, the figures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.compare import statistics
from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.curves import Curves
from sweep.compare.figures.differences import paired_differences
from sweep.compare.findings import Findings
from sweep.compare.outputs import drawings
from sweep.compare.paper import paper_table, wide_markdown
from sweep.compare.questions import comparison_count, exploratory_count, pairs, questions
from sweep.compare.records import SweepRecord
from sweep.compare.report import differences_table
from sweep.compare.tables import caption, to_rich
from tests.sweep.compare.conftest import CONDITIONS
from trainers.entries import Metric

Make = Callable[..., SweepRecord]
METHODS = ("fixed_kd", "alm_kd", "cross_entropy")


def declared(*asked: tuple[int, str, str]) -> frozenset[tuple[str, str]]:
    """Condition by number, row, what it is compared with -> names of cells."""
    return frozenset(
        (f"{CONDITIONS[at]}/{row}", f"{CONDITIONS[at]}/{other}") for at, row, other in asked
    )


ASKED = declared((1, "alm_kd", "fixed_kd"), (2, "alm_kd", "fixed_kd"),
                 (2, "fixed_kd", "cross_entropy"))  # fmt: skip


@pytest.fixture
def asking(make_record: Make) -> SweepRecord:
    return make_record(methods=METHODS, declared=ASKED)


@pytest.fixture
def table(asking: SweepRecord) -> pd.DataFrame:
    return comparison_table(asking, 0)


def test_holm_runs_over_what_is_declared_and_nothing_else_has_a_p(table: pd.DataFrame) -> None:
    tested = table[table["question"] == "declared"]
    assert list(zip(tested["noise_rate"], tested["method"], tested["baseline"], strict=True)) == [
        (0.4, "alm_kd", "fixed_kd"),
        (0.6, "fixed_kd", "cross_entropy"),
        (0.6, "alm_kd", "fixed_kd"),
    ]
    expected = statistics.holm(tested["p_value"].to_numpy())
    np.testing.assert_allclose(tested["p_holm"], expected)
    rest = table[table["question"] == "exploratory"]
    assert rest[["p_value", "p_holm"]].isna().all(axis=None)
    assert set(rest["called"]) == {""}
    assert rest[["delta", "delta_ci95_low", "prob_better"]].notna().all(axis=None)
    # Each pair in each of the three conditions; cross_entropy minus fixed_kd would be one of them
    # the other way round.
    assert len(rest) + len(tested) == 2 * 3


def test_a_difference_is_the_same_whether_it_is_declared_or_not(
    make_record: Make, table: pd.DataFrame
) -> None:
    usual = comparison_table(make_record(methods=METHODS), 0)
    keys = ["noise_rate", "method", "baseline"]
    both = table.merge(usual, on=keys, suffixes=("", "_usual"))
    both = both[both["baseline"] != ""]
    for column in ("delta", "delta_ci95_low", "delta_ci95_high", "prob_better"):
        np.testing.assert_array_equal(both[column], both[f"{column}_usual"])
    assert len(both) == 3
    assert set(usual["question"]) == {"declared", ""}


def test_what_is_declared_is_counted_once_for_the_same_cells(make_record: Make) -> None:
    record = make_record(methods=METHODS, declared=ASKED)
    assert pairs(record) == (
        ("fixed_kd", "cross_entropy"), ("alm_kd", "fixed_kd"),
    )  # fmt: skip
    assert questions(record) == {
        ("fixed_kd", "cross_entropy"): CONDITIONS[2:],
        ("alm_kd", "fixed_kd"): CONDITIONS[1:],
    }
    assert (comparison_count(record), exploratory_count(record)) == (3, 3)
    usual = make_record(methods=METHODS)
    assert (comparison_count(usual), exploratory_count(usual)) == (6, 0)


def test_the_answer_is_about_what_is_declared(asking: SweepRecord, table: pd.DataFrame) -> None:
    question, fixed, alm, rest = answer(table, asking)
    assert question.startswith(
        "Does fixed_kd beat cross_entropy, and does alm_kd beat fixed_kd on digits under symmetric"
    )
    assert "Differences are method minus what it is compared with" in question
    assert fixed.startswith("fixed_kd beats cross_entropy at 60 % noise (+")
    assert alm.startswith("alm_kd beats fixed_kd at 40 % noise (+")
    assert " 0 % noise" not in alm  # nothing is asked there
    assert rest == (
        "3 comparisons are declared; the other 3 differences of the table are exploratory: shown"
        " with intervals, not tested, and nothing is called."
    )


def test_nothing_is_claimed_where_nothing_was_asked(make_record: Make) -> None:
    record = make_record(
        values=lambda c, m, s: 90.0 + s, declared=declared((1, "alm_kd", "fixed_kd"))
    )
    _, verdict, rest = answer(comparison_table(record, 0), record)
    assert verdict.startswith("alm_kd is not shown to beat fixed_kd where that is asked. No diff")
    assert rest.startswith("1 comparison is declared; the other 2 differences of")


def test_the_terminal_and_the_report_tell_them_apart(
    asking: SweepRecord, table: pd.DataFrame
) -> None:
    view = to_rich(table, asking)
    cells = {str(column.header): [str(cell) for cell in column.cells] for column in view.columns}
    # A line for each row, with the differences that are asked about alone.
    assert cells["method"] == ["fixed_kd", "alm_kd", "cross_entropy"] * 3
    assert "exploratory" not in cells["called"]
    nothing = "–"  # noqa: RUF001
    assert cells["against"] == [
        *(nothing, nothing, nothing),
        *(nothing, "fixed_kd", nothing),
        *("cross_entropy", "fixed_kd", nothing),
    ]
    differences = cells["difference [95 % CI]"]
    assert [d != nothing for d in differences] == [a != nothing for a in cells["against"]]
    assert "exploratory differences are in the report" in caption(asking)
    told = differences_table(asking, table)
    assert list(told["called"]).count("exploratory") == 3
    assert set(told.loc[told["called"] == "exploratory", "p (Holm)"]) == {"–"}  # noqa: RUF001


def test_the_usual_table_says_nothing_of_exploration(make_record: Make) -> None:
    record = make_record()
    assert "exploratory" not in caption(record) + " ".join(
        answer(comparison_table(record, 0), record)
    )


def test_the_wide_table_marks_the_best_alone(asking: SweepRecord, table: pd.DataFrame) -> None:
    wide = paper_table(asking, table, 0)
    assert not wide.tested
    assert any(cell.best for cell in wide.cells.values())
    assert "<ins>" not in wide_markdown(wide, "std")


def test_figures_fill_what_is_called_only(asking: SweepRecord, table: pd.DataFrame) -> None:
    panel = paired_differences(table, asking).axes[0]
    assert len(panel.get_yticks()) == 6
    faces = [line.get_markerfacecolor() for line in panel.get_lines() if len(line.get_xdata()) == 1]
    assert len([face for face in faces if face != "white"]) == (table["called"] != "").sum() == 3
    no_curves = Curves(pd.DataFrame({"run_id": [], "epoch": []}))
    findings = Findings(asking, None, table, no_curves, pd.DataFrame)  # type: ignore[arg-type]
    captions = {drawing.stem: drawing.caption for drawing in drawings(findings)}
    assert captions["differences"].endswith("or is exploratory and not tested.")


def test_of_another_metric_everything_is_exploratory(make_record: Make) -> None:
    def with_loss(trials: pd.DataFrame) -> pd.DataFrame:
        return trials.assign(test_loss=trials["test_accuracy"] / 100)

    loss = Metric("loss", "loss", "nats", "minimize")
    record = make_record(drop=with_loss, others=(loss,))
    assert set(comparison_table(record.looking_at(loss), 0)["question"]) == {"exploratory", ""}


@pytest.mark.parametrize("cell", ["nowhere/alm_kd", "symmetric-0.4-noisy/other"])
def test_unknown_cells_cannot_be_declared(make_record: Make, cell: str) -> None:
    changes: dict[str, Any] = {"declared": frozenset({(cell, f"{CONDITIONS[0]}/fixed_kd")})}
    with pytest.raises(ValueError, match=cell):
        make_record(**changes)

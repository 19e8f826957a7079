"""Metrics beside the one that is tested: shown with intervals, and nothing called."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table, trials_table
from sweep.compare.exploratory import exploratory_table, with_conditions_across
from sweep.compare.paper import paper_table, wide_latex
from sweep.compare.records import SweepRecord
from sweep.compare.tables import NOTHING
from trainers.entries import Metric

MakeRecord = Callable[..., SweepRecord]
LOSS = Metric("loss", "negative log-likelihood", "nats", "minimize")
CALIBRATION = Metric("calibration_error", "expected calibration error", "percent", "minimize")
COLUMNS = [
    "metric", "condition", "method", "mean [95 % interval]", "against",
    "difference [95 % interval]", "clean_labels",
]  # fmt: skip


def _measured(trials: pd.DataFrame) -> pd.DataFrame:
    """With a loss that falls as accuracy rises, and a calibration error that no run has."""
    return trials.assign(test_loss=5 - trials["test_accuracy"] / 20, test_calibration_error=np.nan)


@pytest.fixture
def record(make_record: MakeRecord) -> SweepRecord:
    return make_record(others=(LOSS, CALIBRATION), drop=_measured)


def test_nothing_beside_gives_no_rows(make_record: MakeRecord) -> None:
    assert exploratory_table(make_record(), 0).empty


def test_every_metric_has_a_row_per_condition_and_method(record: SweepRecord) -> None:
    table = exploratory_table(record, 0)
    assert list(table.columns) == COLUMNS
    assert len(table) == 2 * len(record.conditions) * len(record.methods)
    assert list(dict.fromkeys(table["metric"])) == [
        "loss, nats (lower is better)", "calibration error, % (lower is better)",
    ]  # fmt: skip
    assert list(table["method"][:2]) == list(record.methods)
    assert list(dict.fromkeys(table["against"])) == [NOTHING, "fixed_kd"]


def test_figures_are_those_of_a_comparison_of_that_metric(record: SweepRecord) -> None:
    table = exploratory_table(record, 0)
    rows = comparison_table(record.looking_at(LOSS), 0).to_dict("records")
    told = table[table["metric"].str.startswith("loss")].to_dict("records")
    for shown, row in zip(told, rows, strict=True):
        mean, interval = shown["mean [95 % interval]"].split(" ", 1)
        digits = len(mean.partition(".")[2])
        assert mean == f"{row['test_loss_mean']:.{digits}f}"
        assert interval == f"[{row['ci95_low']:.{digits}f}, {row['ci95_high']:.{digits}f}]"
        difference = shown["difference [95 % interval]"]
        expected = NOTHING if row["is_baseline"] else f"{row['delta']:+z.{digits}f} ["
        assert difference.startswith(expected)


def test_what_no_run_has_is_an_empty_cell(record: SweepRecord) -> None:
    table = exploratory_table(record, 0)
    empty = table[table["metric"].str.startswith("calibration")]
    assert set(empty["mean [95 % interval]"]) == {NOTHING}
    assert set(empty["difference [95 % interval]"]) == {NOTHING}


def test_nothing_is_tested_or_called_of_a_metric_that_is_looked_at(record: SweepRecord) -> None:
    assert "better" in set(comparison_table(record, 0)["called"])
    table = comparison_table(record.looking_at(LOSS), 0)
    assert table["delta"].notna().any()
    assert table[["p_value", "p_holm"]].isna().all(axis=None)
    assert set(table["called"]) == {""}
    looked_at = record.looking_at(LOSS)
    wide = paper_table(looked_at, table, 0)
    assert not wide.tested
    assert not any(cell.not_worse for cell in wide.cells.values())
    text = wide_latex(wide, "interval")
    assert "Differences to the best are not tested" in text
    assert "underline" not in text


def test_looking_at_a_metric_changes_neither_the_record_nor_the_search(record: SweepRecord) -> None:
    before = comparison_table(record, 0)
    looked_at = record.looking_at(LOSS)
    exploratory_table(record, 0)
    assert comparison_table(record, 0).equals(before)
    assert looked_at.exploratory
    assert not record.exploratory
    assert (looked_at.metric, looked_at.unit, looked_at.direction) == ("loss", "nats", "minimize")
    assert looked_at.validation_column == record.validation_column == "validation_accuracy"
    assert looked_at.trials is record.trials
    assert "test_loss" in trials_table(record).columns


def test_metrics_do_not_change_what_is_said_of_each_other(
    make_record: MakeRecord, record: SweepRecord
) -> None:
    alone = make_record(others=(LOSS,), drop=_measured)
    whole = exploratory_table(record, 0)
    assert exploratory_table(alone, 0).equals(whole[whole["metric"].str.startswith("loss")])


def test_on_a_page_conditions_stand_across(record: SweepRecord) -> None:
    table = exploratory_table(record, 0)
    wide = with_conditions_across(table)
    conditions = list(dict.fromkeys(table["condition"]))
    assert list(wide.columns) == ["metric", "mean or difference [95 % interval]", *conditions]
    pairs = [f"{method} minus fixed_kd" for method in record.challengers]
    assert list(wide.iloc[:, 1]) == 2 * [*record.methods, *pairs]
    long = table.set_index(["metric", "method", "condition"])
    for row in wide.to_dict("records"):
        method, _, against = row["mean or difference [95 % interval]"].partition(" minus ")
        column = "difference [95 % interval]" if against else "mean [95 % interval]"
        for condition in conditions:
            assert row[condition] == long.loc[(row["metric"], method, condition), column]

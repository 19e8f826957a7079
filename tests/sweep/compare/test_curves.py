"""The curves table: one row per trial and epoch, page by page."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sweep.compare import curves as module
from sweep.compare.comparison import trials_table
from sweep.compare.curves import KEY_COLUMNS, curves_pages, read_curves
from sweep.compare.export import Source, table_pages
from sweep.compare.records import SweepRecord
from tests.sweep.compare.nothing_kept import NOTHING_KEPT

Make = Callable[..., Any]


def test_one_row_per_trial_and_epoch_in_the_order_of_the_trials(
    record: SweepRecord, make_histories: Make
) -> None:
    table = pd.concat(curves_pages(record, make_histories(record)))
    trials = trials_table(record)
    assert len(table) == trials["epochs_trained"].sum()
    assert list(table["run_id"].unique()) == list(trials["run_id"])
    assert list(table.columns) == [*KEY_COLUMNS, "epoch", *record.curve_metrics]
    one = table[table["run_id"] == trials["run_id"][1]]
    assert list(one["epoch"]) == [1, 2, 3]
    np.testing.assert_array_equal(one["validation_accuracy"], [81.0, 82.0, 83.0])


def test_runs_are_asked_for_in_pages(
    record: SweepRecord, make_histories: Make, monkeypatch: Any
) -> None:
    monkeypatch.setattr(module, "RUNS_PER_PAGE", 7)
    histories = make_histories(record)
    pages = list(curves_pages(record, histories))
    assert len(pages) == len(histories.asked) == -(-len(record.trials) // 7)
    assert max(histories.asked) == 7


def test_a_sweep_without_runs_has_an_empty_table(make_record: Make, make_histories: Make) -> None:
    record = make_record(drop=lambda t: t.head(0))
    (page,) = curves_pages(record, make_histories(record))
    assert page.empty
    assert "epoch" in page.columns


def test_sweeps_side_by_side_share_their_columns(make_record: Make, make_histories: Make) -> None:
    records = [make_record(), make_record(name="other", metric="loss", unit="nats")]
    sources = [Source(record, 0, make_histories(record), NOTHING_KEPT) for record in records]
    for name, rows in (("comparison", 12), ("trials", 144)):
        (page,) = table_pages(sources, name)
        assert len(page) == rows
        assert list(page["sweep"].unique()) == ["digits-noise", "other"]
    pages = list(table_pages(sources, "curves"))
    assert len({tuple(page.columns) for page in pages}) == 1
    assert pages[0]["validation_loss"].isna().all()


def test_figures_read_one_run_at_a_time(record: SweepRecord, make_histories: Make) -> None:
    curves = read_curves(record, make_histories(record))
    epochs, values = curves.of("run0001", "validation_accuracy")
    assert list(epochs) == [1, 2, 3]
    assert list(values) == [81, 82, 83]
    assert [len(part) for part in curves.of("run0001", "lambda_teacher")] == [0, 0]
    assert [len(part) for part in curves.of("nobody", "validation_accuracy")] == [0, 0]
    assert [len(part) for part in curves.of("run0001", "unheard of")] == [0, 0]

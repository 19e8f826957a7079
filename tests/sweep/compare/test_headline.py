"""Single numbers for the dashboard."""

from collections.abc import Callable

import numpy as np
import pytest

from sweep.compare.comparison import comparison_table
from sweep.compare.headline import headline
from sweep.compare.records import SweepRecord


def test_headline_has_the_means_and_differences_of_the_comparison(record: SweepRecord) -> None:
    found = headline(record)
    table = comparison_table(record, 0)
    places = [
        (condition, method)
        for condition in record.conditions
        for method in record.methods
    ]  # fmt: skip
    assert len(table) == len(places)
    for (condition, method), row in zip(places, table.to_dict("records"), strict=True):
        cell = record.cell(condition, method)
        assert found[f"{cell}/{record.test_column}"] == pytest.approx(
            row[f"{record.test_column}_mean"]
        )
        if np.isfinite(row["delta"]):
            assert found[f"{cell}/minus {row['baseline']}"] == pytest.approx(row["delta"])
    assert len(found) == len(places) + int(np.isfinite(table["delta"]).sum())


def test_cells_without_a_finished_run_have_no_number(
    make_record: Callable[..., SweepRecord],
) -> None:
    record = make_record(drop=lambda trials: trials[trials["stage"] != "confirm"])
    assert headline(record) == {}

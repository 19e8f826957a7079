"""The comparison table on a terminal."""

import io
from collections.abc import Callable

import pandas as pd
import pytest
from rich.console import Console

from sweep.compare.comparison import comparison_table
from sweep.compare.records import SweepRecord
from sweep.compare.tables import to_rich
from sweep.plan.plan import Condition

MakeRecord = Callable[..., SweepRecord]


def terminal(table: pd.DataFrame, record: SweepRecord, styled: bool = False) -> str:
    console = Console(
        width=130, file=io.StringIO(), force_terminal=styled, legacy_windows=False, record=True
    )
    console.print(to_rich(table, record))
    return console.export_text(styles=styled)


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

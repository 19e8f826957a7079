"""Runs whose learned weights made them worse from their first update on."""

from collections.abc import Callable, Sequence

import pandas as pd
import pytest

from sweep.compare.collapses import collapses_of, collapses_table, collapses_text
from sweep.compare.curves import Curves
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

NOISY = Condition("symmetric", 0.2, "noisy")
EPOCHS = 8
# The first epoch that trains with updated weights.
FIRST = 3


def _curve(run: str, values: Sequence[float], at_ends: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run_id": run,
            "epoch": range(1, EPOCHS + 1),
            "validation_accuracy": values,
            "lambda_label": [0.1] * (FIRST - 1) + [1.2] * (EPOCHS - FIRST + 1),
            "lambda_at_ends": [0.0] * (FIRST - 1) + [at_ends] * (EPOCHS - FIRST + 1),
        }
    )


@pytest.fixture
def record(make_record: Callable[..., SweepRecord]) -> SweepRecord:
    """Of four seeds of alm_kd the first two have their best epoch before the first update."""

    def with_epochs(trials: pd.DataFrame) -> pd.DataFrame:
        confirm = (trials["stage"] == "confirm") & (trials["method"] == "alm_kd")
        best = {0: 2, 1: 3, 2: 8, 3: 6}
        trials.loc[confirm, "best_epoch"] = trials.loc[confirm, "seed"].map(best)
        return trials

    changes = {"conditions": (NOISY,), "confirm_seeds": (0, 1, 2, 3)}
    return make_record(values=lambda *_: 90.0, drop=with_epochs, **changes)


def _curves(record: SweepRecord) -> Curves:
    rising = [60.0, 62.0, 64.0, 66.0, 68.0, 70.0, 72.0, 74.0]
    falling = [60.0, 70.0, 45.0, 20.0, 30.0, 40.0, 40.0, 40.0]
    at_first = [60.0, 70.0, 71.0, 20.0, 30.0, 40.0, 40.0, 41.0]
    shapes = {0: (falling, 0.9), 1: (at_first, 1.0), 2: (rising, 0.2), 3: (rising, 0.3)}
    frames = []
    for row in record.trials[record.trials["stage"] == "confirm"].to_dict("records"):
        if row["method"] == "alm_kd":
            frames.append(_curve(row["run_id"], *shapes[row["seed"]]))
        else:
            plain = _curve(row["run_id"], falling, float("nan"))
            frames.append(plain.assign(lambda_label=float("nan")))
    return Curves(pd.concat(frames, ignore_index=True))


def test_runs_with_their_best_epoch_no_later_than_the_first_update_collapsed(
    record: SweepRecord,
) -> None:
    found = collapses_of(record, _curves(record), NOISY, "alm_kd")
    assert [(c.seed, c.best_epoch, c.first_update) for c in found] == [(0, 2, 3), (1, 3, 3)]
    assert [(c.drop, c.at_ends) for c in found] == [(30.0, 0.9), (30.0, 1.0)]


def test_method_that_weighs_nothing_cannot_collapse(record: SweepRecord) -> None:
    assert collapses_of(record, _curves(record), NOISY, "fixed_kd") == []


def test_table_and_sentence_count_them(record: SweepRecord) -> None:
    (row,) = collapses_table(record, _curves(record)).to_dict("records")
    assert (row["method"], row["collapsed"], row["confirm_runs"]) == ("alm_kd", 2, 4)
    assert (row["best_epoch"], row["first_update"]) == (2.5, 3.0)
    assert (row["drop"], row["weights_at_ends"]) == (30.0, 0.95)
    text = collapses_text(record, _curves(record))
    assert "alm_kd at 20 % noise (2 of 4 runs, then 95 % of the weights at an end)" in text


def test_nothing_is_said_where_nothing_collapsed(make_record: Callable[..., SweepRecord]) -> None:
    record = make_record(values=lambda *_: 90.0, conditions=(NOISY,), confirm_seeds=(2, 3))
    curves = _curves(record)
    assert collapses_table(record, curves).empty
    assert collapses_text(record, curves) == ""

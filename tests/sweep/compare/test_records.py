"""A record refuses what a comparison could not be trusted with."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from sweep.compare.records import TRIAL_COLUMNS, SweepRecord, completed, trial_columns, trials_of
from sweep.plan.plan import Condition


def replaced(column: str, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Puts a value into the first search row and the first confirm row."""

    def change(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        for stage in ("search", "confirm"):
            trials.loc[trials.index[trials["stage"] == stage][0], column] = value
        return trials

    return change


def test_columns_carry_the_metric(record: SweepRecord) -> None:
    columns = trial_columns("wer", "loss")
    assert len(columns) == len(TRIAL_COLUMNS)
    assert {"test_wer", "validation_loss"} <= set(columns)
    assert not {"test_loss", "validation_wer"} & set(columns)
    assert (record.test_column, record.validation_column) == (
        "test_accuracy",
        "validation_accuracy",
    )
    assert record.challengers == ("alm_kd",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "up"}, "direction is 'up'"),
        ({"baselines": ()}, "baselines is empty"),
        ({"baselines": ("wsld",)}, r"baselines names \['wsld'\]"),
        ({"planned_trials": {"wsld": 3}}, r"planned_trials names \['wsld'\]"),
        ({"methods": ("fixed_kd", "fixed_kd")}, "methods holds an entry twice"),
        ({"methods": ("fixed_kd", "teacher"), "values": lambda c, m, s: 0.0}, "'teacher'"),
        ({"confirm_seeds": (1, 1)}, "confirm_seeds holds an entry twice"),
        ({"drop": lambda t: t.drop(columns=["seed", "reason"])}, r"\['seed', 'reason'\]"),
        ({"drop": replaced("stage", "warm-up")}, r"stage \['warm-up'\]"),
        ({"drop": replaced("state", "done")}, r"state \['done'\]"),
        ({"drop": replaced("cell", "pair-0.123-noisy/alm_kd")}, "not in the plan.*0.123"),
        ({"drop": replaced("seed", 99)}, r"seeds \[99\]"),
        (
            {"drop": lambda t: pd.concat([t, t.tail(1)])},
            r"completed more than once.*/alm_kd', 7\)",
        ),
    ],
)
def test_bad_records_are_refused_with_the_value(
    make_record: Callable[..., SweepRecord], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_record(**changes)


@pytest.mark.parametrize("rate", [-0.1, 1.5, float("nan")])
def test_a_noise_rate_is_a_share(rate: float) -> None:
    with pytest.raises(ValueError, match=f"noise_rate is {rate}"):
        Condition("symmetric", rate, "noisy")


def test_a_diverged_run_has_not_completed(make_record: Callable[..., SweepRecord]) -> None:
    record = make_record(values=lambda c, m, s: float("inf") if s == 0 else 90.0)
    runs = trials_of(record, "confirm", record.conditions[0], "alm_kd")
    assert list(completed(runs, "test_accuracy")["seed"]) == [1, 2, 3, 4, 5, 6, 7]

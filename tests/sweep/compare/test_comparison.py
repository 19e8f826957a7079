"""The comparison table: its figures, its order, and what it does not depend on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.compare.comparison import (
    cell_rng,
    comparison_columns,
    comparison_table,
    paired_scores,
    trials_table,
)
from sweep.compare.records import SweepRecord

MakeRecord = Callable[..., SweepRecord]
HOLM_COLUMNS = ["p_holm", "called"]


def confirm_rows(trials: pd.DataFrame, method: str, rate: float) -> "pd.Series[bool]":
    return (
        (trials["stage"] == "confirm")
        & (trials["method"] == method)
        & (trials["noise_rate"] == rate)
    )


def failing(method: str, rate: float, seeds: tuple[int, ...], state: str = "failed") -> object:
    """Turns confirm runs of some seeds into ones without a value."""

    def change(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        rows = confirm_rows(trials, method, rate) & trials["seed"].isin(seeds)
        trials.loc[rows, "state"] = state
        trials.loc[rows, "test_accuracy"] = np.nan
        return trials

    return change


def cell(table: pd.DataFrame, method: str, rate: float) -> dict[str, Any]:
    rows = table[(table["method"] == method) & (table["noise_rate"] == rate)]
    assert len(rows) == 1
    return {str(name): value for name, value in rows.iloc[0].items()}


def test_columns_and_order_follow_the_spec(record: SweepRecord) -> None:
    table = comparison_table(record, 0)
    assert tuple(table.columns) == comparison_columns("accuracy")
    assert list(table["noise_rate"]) == [0.0, 0.0, 0.4, 0.4, 0.6, 0.6]
    assert list(table["method"]) == ["fixed_kd", "alm_kd"] * 3
    assert list(table["is_baseline"]) == [True, False] * 3
    assert list(table["baseline"]) == ["", "fixed_kd"] * 3


def test_figures_by_hand(make_record: MakeRecord) -> None:
    values = {"fixed_kd": (90.0, 91.0, 92.0), "alm_kd": (91.0, 93.0, 92.0)}
    record = make_record(values=lambda c, m, s: values[m][s], confirm_seeds=(0, 1, 2))
    row = cell(comparison_table(record, 0), "alm_kd", 0.4)
    assert row["test_accuracy_mean"] == 92.0
    assert row["test_accuracy_std"] == 1.0
    assert row["delta"] == 1.0
    # Differences 1, 2, 0: of eight sign patterns four reach a sum of three.
    assert row["p_value"] == 0.5
    # Three comparisons with p = 0.5 each.
    assert row["p_holm"] == 1.0
    # Of nine pairs alm_kd wins six and ties two.
    assert row["prob_better"] == 7 / 9
    assert row["n_trials"] == 4
    assert row["n_pruned"] == 1
    assert row["n_failed"] == 1
    assert row["epochs_trained"] == 3 * 10 + 3 + 3 * 10
    assert row["best_params"] == '{"lr": 0.1, "tau": 4.0}'


def test_differences_are_called_where_they_were_put(record: SweepRecord) -> None:
    table = comparison_table(record, 0)
    assert list(table["called"]) == ["", "", "", "better", "", "better"]


def test_a_baseline_has_no_difference(record: SweepRecord) -> None:
    rows = comparison_table(record, 0).query("is_baseline")
    columns = ["delta", "delta_ci95_low", "delta_ci95_high", "p_value", "p_holm", "prob_better"]
    assert rows[columns].isna().all(axis=None)
    assert (rows["called"] == "").all()


def test_order_of_trials_does_not_matter(make_record: MakeRecord) -> None:
    shuffled = make_record(drop=lambda t: t.sample(frac=1.0, random_state=1))
    straight = make_record()
    pd.testing.assert_frame_equal(comparison_table(shuffled, 0), comparison_table(straight, 0))
    pd.testing.assert_frame_equal(trials_table(shuffled), trials_table(straight))


def test_another_method_changes_only_what_holm_adjusts(make_record: MakeRecord) -> None:
    two = comparison_table(make_record(), 0).drop(columns=HOLM_COLUMNS)
    more = make_record(methods=("cross_entropy", "fixed_kd", "alm_kd"))
    three = comparison_table(more, 0).drop(columns=HOLM_COLUMNS)
    kept = three[three["method"] != "cross_entropy"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, two)


def test_a_dropped_condition_changes_only_what_holm_adjusts(make_record: MakeRecord) -> None:
    whole = make_record()
    some = make_record(conditions=whole.conditions[:1])
    expected = comparison_table(whole, 0).drop(columns=HOLM_COLUMNS).head(2)
    found = comparison_table(some, 0).drop(columns=HOLM_COLUMNS)
    pd.testing.assert_frame_equal(found, expected)


def test_swapping_method_and_baseline_flips_the_sign(make_record: MakeRecord) -> None:
    forth = cell(comparison_table(make_record(), 0), "alm_kd", 0.4)
    back = cell(comparison_table(make_record(baselines=("alm_kd",)), 0), "fixed_kd", 0.4)
    assert back["delta"] == pytest.approx(-forth["delta"])
    assert back["p_value"] == forth["p_value"]
    assert back["prob_better"] == pytest.approx(1.0 - forth["prob_better"])
    assert (forth["called"], back["called"]) == ("better", "worse")


def test_the_seed_fixes_the_table(record: SweepRecord) -> None:
    table = comparison_table(record, 3)
    pd.testing.assert_frame_equal(table, comparison_table(record, 3))
    assert not table.equals(comparison_table(record, 4))


def test_streams_are_the_same_in_every_process() -> None:
    # Pinned: Python's own hash would differ from one process to the next.
    assert cell_rng(0, "sweep", "cell").bit_generator.random_raw() == 13318037596566365462
    assert cell_rng(0, "ab", "c").integers(1 << 30) != cell_rng(0, "a", "bc").integers(1 << 30)


def test_failed_seeds_are_counted_and_unpaired(make_record: MakeRecord) -> None:
    record = make_record(drop=failing("fixed_kd", 0.4, (0, 5)))
    table = comparison_table(record, 0)
    baseline, method = cell(table, "fixed_kd", 0.4), cell(table, "alm_kd", 0.4)
    assert (baseline["n_seeds"], baseline["n_failed_seeds"]) == (6, 2)
    assert (method["n_seeds"], method["n_failed_seeds"]) == (8, 0)
    a, b = paired_scores(record, record.conditions[1], "alm_kd", "fixed_kd")
    assert a.shape == b.shape == (6,)
    assert method["delta"] == pytest.approx(np.mean(a - b))


def test_a_seed_that_failed_and_was_run_again_is_finished(make_record: MakeRecord) -> None:
    def run_again(trials: pd.DataFrame) -> pd.DataFrame:
        failed = trials[confirm_rows(trials, "alm_kd", 0.4)].head(1).copy()
        failed["state"] = "failed"
        failed["run_id"] = "run-before"
        return pd.concat([failed, trials], ignore_index=True)

    row = cell(comparison_table(make_record(drop=run_again), 0), "alm_kd", 0.4)
    assert (row["n_seeds"], row["n_failed_seeds"]) == (8, 0)


def test_a_running_seed_has_not_failed(make_record: MakeRecord) -> None:
    record = make_record(drop=failing("alm_kd", 0.4, (0,), state="running"))
    row = cell(comparison_table(record, 0), "alm_kd", 0.4)
    assert (row["n_seeds"], row["n_failed_seeds"]) == (7, 0)


def test_a_cell_without_runs_is_shown_and_not_counted_by_holm(make_record: MakeRecord) -> None:
    record = make_record(drop=lambda t: t[~confirm_rows(t, "alm_kd", 0.6)])
    table = comparison_table(record, 0)
    row = cell(table, "alm_kd", 0.6)
    assert row["n_seeds"] == 0
    assert row["best_params"] == ""
    assert all(pd.isna(row[name]) for name in ("test_accuracy_mean", "delta", "p_holm"))
    other = cell(table, "alm_kd", 0.4)
    assert other["p_holm"] == 2 * (2 / 2**8)


def test_a_sweep_that_has_not_started_gives_a_table_of_nothing(make_record: MakeRecord) -> None:
    record = make_record(drop=lambda t: t.head(0))
    table = comparison_table(record, 0)
    assert len(table) == 6
    assert (table["n_seeds"] == 0).all()
    assert (table["epochs_trained"] == 0).all()
    assert table["p_holm"].isna().all()
    assert trials_table(record).empty


def test_every_baseline_is_compared_with(make_record: MakeRecord) -> None:
    record = make_record(
        methods=("fixed_kd", "alm_kd", "cross_entropy"), baselines=("cross_entropy", "fixed_kd")
    )
    table = comparison_table(record, 0)
    first = table[table["noise_rate"] == 0.4]
    assert list(zip(first["method"], first["baseline"], strict=True)) == [
        ("fixed_kd", ""),
        ("alm_kd", "cross_entropy"),
        ("alm_kd", "fixed_kd"),
        ("cross_entropy", ""),
    ]
    assert table["p_holm"].notna().sum() == 6


def test_lower_can_be_better(make_record: MakeRecord) -> None:
    up = cell(comparison_table(make_record(), 0), "alm_kd", 0.4)
    down = cell(comparison_table(make_record(direction="minimize"), 0), "alm_kd", 0.4)
    assert down["delta"] == up["delta"]
    assert down["prob_better"] == pytest.approx(1.0 - up["prob_better"])
    assert (up["called"], down["called"]) == ("better", "worse")


def test_any_metric_will_do(make_record: MakeRecord) -> None:
    table = comparison_table(make_record(metric="word_error_rate", direction="minimize"), 0)
    assert {"test_word_error_rate_mean", "test_word_error_rate_std"} <= set(table.columns)


def test_equal_values_everywhere_call_nothing(make_record: MakeRecord) -> None:
    row = cell(comparison_table(make_record(values=lambda c, m, s: 90.0), 0), "alm_kd", 0.4)
    assert (row["ci95_low"], row["ci95_high"]) == (90.0, 90.0)
    assert (row["delta_ci95_low"], row["delta_ci95_high"]) == (0.0, 0.0)
    assert (row["p_value"], row["prob_better"], row["called"]) == (1.0, 0.5, "")


def test_trials_come_by_stage_cell_trial_and_seed(make_record: MakeRecord) -> None:
    def with_teacher(trials: pd.DataFrame) -> pd.DataFrame:
        teacher = trials.tail(1).assign(stage="teacher", method="teacher", cell="teacher")
        return pd.concat([trials, teacher], ignore_index=True).iloc[::-1]

    table = trials_table(make_record(drop=with_teacher))
    assert list(dict.fromkeys(table["stage"])) == ["teacher", "search", "confirm"]
    search = table[table["stage"] == "search"]
    assert list(search["method"].head(8)) == ["fixed_kd"] * 4 + ["alm_kd"] * 4
    assert list(search["trial"].head(8)) == [0, 1, 2, 3] * 2
    assert list(table.loc[table["stage"] == "confirm", "seed"].head(8)) == list(range(8))


def test_trials_keep_columns_of_their_own(make_record: MakeRecord) -> None:
    table = trials_table(make_record(drop=lambda t: t.assign(host="node1")))
    assert table.columns[-1] == "host"

"""The table of shortlists."""

from collections.abc import Callable

import pandas as pd

from sweep.compare.fairness import fairness_table, trained_alike
from sweep.compare.records import SweepRecord
from sweep.compare.shortlist import shortlist_table
from sweep.plan.plan import Condition

NOISY = Condition("symmetric", 0.4, "noisy")
Make = Callable[..., SweepRecord]
# Trial -> its value in the search, and on two streams; None where a stream failed.
TRIED = {0: (95.0, (70.0, 74.0)), 2: (93.0, (92.0, None)), 5: (92.0, (91.0, 93.0))}
CHOSEN = 5


def _with_shortlist(trials: pd.DataFrame) -> pd.DataFrame:
    """Of every cell the three of ``TRIED``, all under search seed 0."""
    rows = []
    for row in trials[trials["stage"] == "confirm"].drop_duplicates("cell").to_dict("records"):
        for trial, (searched, streams) in TRIED.items():
            params = f'{{"lr": 0.{1 + trial}}}'
            base = row | {"seed": 0, "trial": trial, "params": params, "test_accuracy": None}
            rows.append(base | {"stage": "search", "validation_accuracy": searched})
            for number, value in enumerate(streams, start=1):
                state = "failed" if value is None else "complete"
                run = {"stage": "shortlist", "stream": number, "state": state}
                rows.append(base | run | {"validation_accuracy": value})
    confirm = trials[trials["stage"] == "confirm"].assign(params=f'{{"lr": 0.{1 + CHOSEN}}}')
    frame = pd.DataFrame([*confirm.to_dict("records"), *rows])
    frame["run_id"] = [f"run{number:04d}" for number in range(len(frame))]
    whole = ("trial", "stream", "train_examples", "steps_per_epoch")
    return frame.astype(dict.fromkeys(whole, "Int64"))


def test_every_configuration_has_its_mean_over_the_streams(make_record: Make) -> None:
    table = shortlist_table(make_record(drop=_with_shortlist, conditions=(NOISY,)))
    rows = table[table["method"] == "alm_kd"].set_index("trial")
    assert list(rows.index) == [0, 2, 5]
    assert list(rows["searched"]) == [95.0, 93.0, 92.0]
    assert list(rows["again"]) == [72.0, 92.0, 92.0]
    assert list(rows["streams"]) == [2, 1, 2]
    assert list(rows["failed"]) == [0, 1, 0]
    assert list(rows["chosen"]) == [False, False, True]
    assert abs(rows.loc[0, "again_std"] - 8**0.5) < 1e-12


def test_sweep_without_one_has_no_rows(record: SweepRecord) -> None:
    assert shortlist_table(record).empty


def test_fairness_counts_the_shortlist_and_its_epochs(make_record: Make) -> None:
    table = fairness_table(make_record(drop=_with_shortlist, conditions=(NOISY,)))
    assert set(table["shortlisted"]) == {5}
    assert set(table["shortlist_epochs"]) == {60}


def test_rows_that_train_on_more_examples_are_told_and_not_called_paired(make_record: Make) -> None:
    def more(trials: pd.DataFrame) -> pd.DataFrame:
        alm = trials["method"] == "alm_kd"
        trials.loc[alm, ["train_examples", "steps_per_epoch"]] = [987, 16]
        return trials

    record = make_record(drop=more)
    text = trained_alike(record)
    assert "fixed_kd on 808 in 13 steps; alm_kd on 987 in 16 steps" in text
    assert "the batches are not" in text
    table = fairness_table(record).set_index("method")
    assert set(table.loc["alm_kd", "train_examples"]) == {987}
    assert set(table.loc["fixed_kd", "steps_per_epoch"]) == {13}


def test_nothing_is_said_where_all_train_alike(record: SweepRecord) -> None:
    assert trained_alike(record) == ""

"""What every cell was given, and what failed."""

from collections.abc import Callable

import pandas as pd
import pytest

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.fairness import ended_early, failures_table, fairness_table
from sweep.compare.records import SweepRecord
from sweep.plan.search_end import SearchEnd

Make = Callable[..., SweepRecord]


def test_every_cell_shows_its_budget(record: SweepRecord) -> None:
    table = fairness_table(record)
    assert len(table) == 6
    first = table.iloc[0]
    assert (first["planned"], first["asked"], first["complete"]) == (4, 4, 2)
    assert (first["pruned"], first["failed"], first["unfinished"]) == (1, 1, 0)
    assert (first["confirmed"], first["confirm_planned"]) == (8, 8)
    assert first["search_epochs"] == 33
    assert first["confirm_epochs"] == 80


def test_a_cohort_holds_its_device_once_however_many_lanes(make_record: Make) -> None:
    def times(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        search = trials["stage"] == "search"
        trials["cohort"] = search.map({True: "a", False: "b"})
        trials["started"] = 1000.0 + 100.0 * ~search
        trials["wall_s"] = 10.0
        trials.loc[trials["state"] == "pruned", "wall_s"] = 4.0
        return trials

    table = fairness_table(make_record(drop=times, device="GPU", devices=0.5))
    assert set(table["wall_s"]) == {110.0}
    assert table["device_s"].sum() == pytest.approx(10.0)
    assert set(table["device"]) == {"GPU"}


def test_a_cell_that_never_ran_is_there(make_record: Make) -> None:
    table = fairness_table(make_record(drop=lambda t: t[t["method"] != "alm_kd"]))
    cell = table[table["method"] == "alm_kd"].iloc[0]
    assert (cell["asked"], cell["confirmed"], cell["wall_s"], cell["device_s"]) == (0, 0, 0, 0)


def test_failures_are_those_without_a_value(make_record: Make) -> None:
    def change(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        confirm = (trials["stage"] == "confirm") & (trials["noise_rate"] == 0.6)
        of = trials[confirm & (trials["method"] == "alm_kd")].index
        trials.loc[of[0], "test_accuracy"] = float("nan")
        trials.loc[of[1], ["state", "reason"]] = ["failed", "x" * 400 + "out of memory"]
        trials.loc[of[2], "state"] = "running"
        return trials.drop(index=of[3])

    table = failures_table(make_record(drop=change))
    search, confirm = (table[table["stage"] == stage] for stage in ("search", "confirm"))
    assert len(search) == 6
    assert list(confirm["state"]) == ["diverged", "failed", "running", "missing"]
    assert list(confirm["seed"]) == [0, 1, 2, 3]
    reason = confirm["reason"].iloc[1]
    assert reason.startswith("…")
    assert reason.endswith("out of memory")


def test_nothing_failed(make_record: Make) -> None:
    record = make_record(drop=lambda t: t[t["state"] != "failed"])
    assert failures_table(record).empty


def test_trials_that_there_was_no_time_for_are_told(make_record: Make) -> None:
    end = SearchEnd(4, 6, "search.timeout", 60.0)
    planned = {"fixed_kd": 6, "alm_kd": 6}
    record = make_record(planned_trials=planned, search_ends={"digits-noise": end})
    table = fairness_table(record)
    assert set(table["left_out"]) == {2}
    assert set(table["asked"]) == {4}
    (told,) = ended_early(record)
    assert told == (
        "The searches were ended by search.timeout (60 s): each has 4 of 6 planned trials, 2 were "
        "left out."
    )
    assert told in answer(comparison_table(record, 0), record)


def test_without_a_limit_nothing_is_told_of_one(record: SweepRecord) -> None:
    assert ended_early(record) == []
    assert "left_out" not in fairness_table(record)


def test_in_a_table_of_several_sweeps_it_is_told_of_whom(make_record: Make) -> None:
    end = SearchEnd(4, 6, "--stop-after", 60.0)
    record = make_record(name="digits-noise and other", search_ends={"digits-noise": end})
    assert ended_early(record)[0].startswith("digits-noise: The searches were ended by --stop")

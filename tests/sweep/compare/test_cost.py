"""Device time of trials and runs, and when it is told."""

from collections.abc import Callable

import pandas as pd
import pytest

from sweep.commands.plan_text import describe
from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.cost import cost_table, device_s, equal_compute, run_s, unlike_costs
from sweep.compare.export import TABLES, Source
from sweep.compare.fairness import fairness_table
from sweep.compare.joining import join
from sweep.compare.records import SweepRecord, of_plan, trials_of
from sweep.plan.plan import Plan
from tests.sweep.specs import small_spec

Make = Callable[..., SweepRecord]
COMPUTE = {"search.fair": "compute", "search.trials": 12}
ALM = {"method": "alm_kd", "pin": {"warmup_epochs": 0, "update_every": 1}}
KD = {"method": "fixed_kd", "baseline": True}
NET = {"method": "meta_weight_net"}
ONE = {"conditions.noise_rate": [0.4]}


def _slow(trials: pd.DataFrame) -> pd.DataFrame:
    """Confirm runs of alm_kd train in a cohort of 80 s, those of fixed_kd in one of 16 s; all
    trials of a cell in one of 13 s, in which a pruned one ended sooner."""
    trials = trials.copy()
    alm, search = trials["method"] == "alm_kd", trials["stage"] == "search"
    trials["cohort"] = trials["cell"] + search.map({True: "/search", False: "/confirm"})
    trials["wall_s"] = alm.map({True: 80.0, False: 16.0})
    trials.loc[search, "wall_s"] = 13.0
    trials.loc[trials["state"] == "pruned", "wall_s"] = 4.0
    return trials


def test_lanes_share_what_their_cohort_held_by_their_epochs(make_record: Make) -> None:
    record = make_record(drop=_slow, devices=2.0)
    place = (record.conditions[0], "alm_kd")
    search = trials_of(record, "search", *place)
    # Of 33 epochs 10, 3, 10 and 10, of 13 s on two devices.
    seconds = device_s(record)
    assert list(seconds[search.index]) == pytest.approx([26 * n / 33 for n in (10, 3, 10, 10)])
    confirm = trials_of(record, "confirm", *place)
    assert list(seconds[confirm.index]) == pytest.approx([20.0] * 8)


def test_cells_share_what_a_cohort_of_several_held(make_record: Make) -> None:
    def shared(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials.copy()
        search = trials["stage"] == "search"
        trials["cohort"] = search.map({True: "all", False: None})
        trials.loc[search, ["started", "wall_s"]] = 0.0, 60.0
        return trials

    record = make_record(drop=shared)
    held = fairness_table(record)["device_s"]
    epochs = fairness_table(record)["search_epochs"]
    assert held.sum() == pytest.approx(60.0)
    assert list(held) == pytest.approx(list(60.0 * epochs / epochs.sum()))


def test_what_cells_took_adds_up_to_what_their_cohorts_held(make_record: Make) -> None:
    record = make_record(drop=_slow)
    table, held = cost_table(record), fairness_table(record)["device_s"]
    assert list(table["trials"]) == [4] * 6
    assert list(table["runs"]) == [8] * 6
    whole = 4 * table["trial_device_s"] + 8 * table["run_device_s"]
    assert list(whole) == pytest.approx(list(held))
    first = table[table["method"] == "fixed_kd"].iloc[0]
    assert (first["trial_epochs"], first["run_epochs"]) == (8.25, 10)
    assert (first["run_device_s"], first["device"]) == (2.0, "CPU")
    assert "trial_cost" not in table


def test_what_is_not_known_is_missing(make_record: Make) -> None:
    def unknown(trials: pd.DataFrame) -> pd.DataFrame:
        trials = trials[trials["method"] != "alm_kd"].copy()
        trials["cohort"] = None
        return trials

    table = cost_table(make_record(drop=unknown))
    assert list(table["runs"]) == [0] * 6
    assert table["run_device_s"].isna().all()
    assert unlike_costs(make_record(drop=unknown)) == ""


def test_no_runs_took_no_seconds(record: SweepRecord) -> None:
    assert list(run_s(record.trials.iloc[:0])) == []


def test_rows_that_take_unlike_time_are_told(make_record: Make, record: SweepRecord) -> None:
    slow = make_record(drop=_slow)
    (told,) = [line for line in answer(comparison_table(slow, 0), slow) if "CPU seconds" in line]
    assert told == (
        "Rows took unlike time, in CPU seconds of a confirm run: fixed_kd 2 and alm_kd 10."
    )
    assert unlike_costs(record) == ""


def test_long_times_are_told_to_the_second(make_record: Make) -> None:
    def slower(trials: pd.DataFrame) -> pd.DataFrame:
        slow = _slow(trials)
        return slow.assign(wall_s=12.4 * slow["wall_s"])

    assert "fixed_kd 25 and alm_kd 124." in unlike_costs(make_record(drop=slower))


def test_it_is_a_table_to_export(record: SweepRecord) -> None:
    source = Source(record, 0, None, None)  # type: ignore[arg-type]
    (page,) = TABLES["cost"]([source, source])
    assert len(page) == 12


def test_a_plan_and_a_comparison_say_who_has_how_many(make_record: Make) -> None:
    spec = small_spec({**COMPUTE, "methods": [ALM, KD]})
    lines = describe(spec)
    assert "as many as cost what 12 of fixed_kd do for each cell" in lines[3]
    told = "9 trials of 4 passes a step, 1.333 times a baseline's trial"
    assert lines[4] == f"compute     alm_kd: {told}"
    plan = Plan(spec)
    allotted = of_plan(plan)["allotted"]
    cells = {(c, use.label): plan.shown(c, use.label).id for c in plan.conditions
             for use in spec.methods}  # fmt: skip
    record = make_record(
        name="small", methods=("alm_kd", "fixed_kd"), conditions=plan.conditions, cells=cells,
        allotted=allotted,
    )  # fmt: skip
    assert f"alm_kd {told}; fixed_kd 12 trials of 3 passes a step." in equal_compute(record)
    assert record.planned(plan.conditions[0], "alm_kd") == 9
    assert not any("compute" in line for line in describe(small_spec()))


def test_a_table_of_several_sweeps_keeps_what_each_gave(make_record: Make) -> None:
    specs = [
        small_spec({"name": name, **COMPUTE, **ONE, "methods": [row, KD], "confirm.seeds": 8})
        for name, row in (("a", ALM), ("b", NET))
    ]
    records = []
    for spec in specs:
        plan = Plan(spec)
        labels = tuple(use.label for use in spec.methods)
        records.append(
            make_record(
                values=lambda condition, method, seed: 90.0 + seed / 9,
                name=spec.name, methods=labels, conditions=plan.conditions,
                confirm_seeds=plan.confirm_seeds, allotted=of_plan(plan)["allotted"],
            )
        )  # fmt: skip
    record = join(specs, records).record
    (condition,) = record.conditions
    planned = {label: record.planned(condition, label) for label in record.methods}
    assert planned == {"alm_kd": 9, "fixed_kd": 12, "meta_weight_net": 2}

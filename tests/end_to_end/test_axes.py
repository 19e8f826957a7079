"""A sweep whose conditions vary teacher and student, and how many clean labels there are."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table
from sweep.compare.records import SweepRecord, scores
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec
from tests.end_to_end.stage import launched_in_process
from tests.sweep.spec.test_axes import PAIR
from tests.sweep.specs import small_spec

PINS = {"lr": 0.1, "temperature": 3.0}
ROWS = [
    {
        "method": "alm_kd",
        "clean": "train",
        "pin": {**PINS, "warmup_epochs": 1, "update_every": 1, "variant": "box", "meta_lr": 300.0},
    },
    {"method": "fixed_kd", "baseline": True, "pin": {**PINS, "alpha": 0.5}},
    {"method": "fixed_kd", "label": "b32", "pin": {**PINS, "alpha": 0.5},
     "with": {"student.training.batch_size": 32}},
]  # fmt: skip
SHARES = [0.05, 0.1]


def spec_of(name: str, changes: dict[str, Any]) -> SweepSpec:
    return small_spec({"name": name, "methods": ROWS, "conditions.noise_rate": [0.4], **changes})


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Places, SweepRecord]:
    axes = {"clean": {"field": "data.clean", "values": SHARES}, "pair": PAIR}
    spec = spec_of("varied", {"conditions.vary": axes})
    places = Places(tmp_path_factory.mktemp("varied"))
    with pytest.MonkeyPatch.context() as patch:
        record = launched_in_process(spec, places, patch)
    return Plan(spec), places, record


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("label", list(PAIR))
def test_a_condition_gives_what_a_sweep_of_its_own_gives(
    varied: tuple[Plan, Places, SweepRecord],
    share: float,
    label: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan, _, record = varied
    alone = spec_of("alone", {"data.clean": share, **PAIR[label]})
    own = launched_in_process(alone, Places(tmp_path), monkeypatch)
    condition = next(
        c for c in plan.conditions if [v.label for v in c.varied] == [f"{share:g}", label]
    )
    for method in record.methods:
        found = scores(record, condition, method)
        assert found == scores(own, own.conditions[0], method)
        assert len(found) == 3
    assert {job.key for job in Plan(alone).teachers} <= {job.key for job in plan.teachers}


def test_runs_are_found_by_their_axes(varied: tuple[Plan, Places, SweepRecord]) -> None:
    plan, places, record = varied
    trials = record.trials
    confirm = trials[trials["stage"] == "confirm"]
    # 4 conditions of alm_kd, and 2 pairs of each row that does not read how many there are.
    assert len(confirm) == (4 + 2 + 2) * 3
    weighing = confirm[confirm["method"] == "alm_kd"]
    assert weighing["clean"].value_counts().to_dict() == {0.05: 6, 0.1: 6}
    assert confirm[confirm["method"] == "fixed_kd"]["clean"].isna().all()
    assert set(confirm["pair"]) == set(PAIR)
    # Where it stands is no hyperparameter.
    assert not any("pair" in params for params in confirm["params"])
    store = open_store(places)
    assert store.spec("varied") == plan.spec
    again = comparison_table(store.record("varied"), 0)
    pd.testing.assert_frame_equal(again, comparison_table(record, 0))


def test_rows_that_differ_in_a_patch_alone_are_paired(
    varied: tuple[Plan, Places, SweepRecord],
) -> None:
    table = comparison_table(varied[2], 0)
    patched = table[table["method"] == "b32"]
    assert set(patched["baseline"]) == {"fixed_kd"}
    assert patched["p_value"].notna().all()
    assert (patched["delta"] != 0).all()


def test_more_values_of_an_axis_leave_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vary(shares: list[float]) -> dict[str, Any]:
        return {"conditions.vary": {"clean": {"field": "data.clean", "values": shares}}}

    places = Places(tmp_path)
    first = launched_in_process(spec_of("grown", vary([0.1])), places, monkeypatch)
    grown = launched_in_process(spec_of("grown", vary([0.1, 0.05])), places, monkeypatch)
    whole = launched_in_process(
        spec_of("grown", vary([0.1, 0.05])), Places(tmp_path / "whole"), monkeypatch
    )
    kept = set(first.trials["run_id"])
    assert kept < set(grown.trials["run_id"])
    pd.testing.assert_frame_equal(comparison_table(grown, 0), comparison_table(whole, 0))

"""Configurations that a spec has its searches try first."""

import re
from pathlib import Path
from typing import Any

import pytest

from sweep.adapters.mlflow.records import to_record
from sweep.adapters.optuna.studies import OptunaStudies
from sweep.compare.fairness import known_first
from sweep.compare.records import of_plan
from sweep.errors import BadInput
from sweep.plan.plan import Plan, spec_hash
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from sweep.spec.stored import migrated, written
from tests.sweep.specs import small_spec

ROWS = [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}]


def _spec(enqueue: Any, **changes: Any) -> SweepSpec:
    usual = {"methods": ROWS, "conditions.noise_rate": [0.4], "search.enqueue": enqueue}
    return small_spec({**usual, **changes})


def _asked(spec: SweepSpec, label: str, journal: Path, count: int) -> dict[int, dict[str, Any]]:
    """The first trials of a row's search."""
    plan = Plan(spec)
    (search,) = [s for s in plan.searches if s.cell.use.label == label]
    studies = OptunaStudies(plan, str(journal))
    asked = studies.ask(search.id, count)
    studies.close()
    return asked


def test_known_configurations_are_the_first_trials_in_their_order(tmp_path: Path) -> None:
    known = [{"lr": 0.1, "alpha": 0.3, "temperature": 4.0}, {"lr": 0.05}]
    asked = _asked(_spec({"fixed_kd": known}), "fixed_kd", tmp_path / "journal", 4)
    assert asked[0] == known[0]
    assert asked[1]["lr"] == 0.05
    # The ends of the mix come after them.
    assert [asked[2]["alpha"], asked[3]["alpha"]] == [0.0, 1.0]


def test_what_a_configuration_leaves_out_is_drawn_as_ever(tmp_path: Path) -> None:
    """The trial's other values are those that the same trial has without the configuration."""
    free = _asked(_spec(None), "alm_kd", tmp_path / "free", 1)[0]
    held = _asked(_spec({"alm_kd": {"lr": 0.123}}), "alm_kd", tmp_path / "held", 1)[0]
    assert held["lr"] == 0.123
    assert free["lr"] != 0.123
    assert set(held) == set(free)


def test_defaults_are_those_of_the_method_where_they_are_searched() -> None:
    plan = Plan(_spec("defaults"))
    for cell in plan.cells:
        (first, *_) = cell.tried_first
        assert first
        for name, value in first.items():
            assert value == cell.entry.hyperparameter(name).default
            assert name in cell.space


def test_a_default_outside_of_the_range_is_drawn() -> None:
    shared = {"temperature": {"low": 5.0, "high": 8.0}}
    plan = Plan(_spec("defaults", **{"search.shared": shared}))
    for cell in plan.cells:
        default = cell.entry.hyperparameter("temperature").default
        assert isinstance(default, int | float)
        assert default < 5
        assert "temperature" not in cell.tried_first[0]


def test_the_word_stands_in_a_list_beside_values() -> None:
    plan = Plan(_spec({"fixed_kd": ["defaults", {"lr": 0.1}]}))
    alm_kd, fixed_kd = plan.cells
    assert alm_kd.enqueued == ()
    assert [set(values) >= {"lr"} for values in fixed_kd.enqueued] == [True, True]
    assert fixed_kd.enqueued[1] == {"lr": 0.1}


def test_an_end_that_is_named_is_tried_once() -> None:
    plan = Plan(_spec({"fixed_kd": {"alpha": 1.0}}))
    assert plan.cells[1].tried_first == ({"alpha": 1.0}, {"alpha": 0.0})


@pytest.mark.parametrize(
    ("enqueue", "said"),
    [
        ("default", "'default' is nothing to try; write defaults"),
        ({"alm": [{"lr": 0.1}]}, "'alm' is no row of this sweep; did you mean 'alm_kd'"),
        ({"alm_kd": [{"alpha": 0.1}]}, "'alpha' is no hyperparameter that is searched there"),
        ({"fixed_kd": [{"alpha": 1.5}]}, r"alpha: 1.5 lies outside of what is searched, [0, 1]"),
        ({"alm_kd": [{"variant": "nonsense"}]}, "variant: 'nonsense' lies outside"),
        ({"alm_kd": ["usual"]}, "'usual' is no configuration"),
        ({"alm_kd": [{"lr": 0.1}] * 7}, "7 configurations, which count among the trials"),
    ],
)
def test_what_cannot_be_tried_is_told(enqueue: Any, said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)) as error:
        _spec(enqueue)
    assert "search.enqueue" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_pinned_value_cannot_be_tried() -> None:
    rows = [{"method": "fixed_kd", "baseline": True, "pin": {"alpha": 0.5}}]
    with pytest.raises(BadInput, match="'alpha' is no hyperparameter that is searched there"):
        _spec({"fixed_kd": [{"alpha": 0.5}]}, methods=rows)


def test_a_cell_of_an_axis_tries_what_its_row_does() -> None:
    varied = {"clean": {"field": "data.clean", "values": [0.05, 0.1]}}
    plan = Plan(_spec({"alm_kd": [{"lr": 0.1}]}, **{"conditions.vary": varied}))
    cells = [cell for cell in plan.cells if cell.use.label == "alm_kd"]
    assert len(cells) == 2
    assert [cell.enqueued for cell in cells] == [({"lr": 0.1},)] * 2


def test_a_spec_without_it_keeps_its_hash_and_is_read_as_it_was() -> None:
    spec = _spec(None)
    kept = written(spec)
    del kept["search"]["enqueue"]
    assert spec_hash(check_spec(migrated(kept), "kept")) == spec_hash(spec)
    assert spec_hash(_spec("defaults")) != spec_hash(spec)


def test_rows_that_were_told_different_numbers_are_named() -> None:
    assert known_first(to_record(Plan(_spec("defaults")), [])) == ""
    told = known_first(to_record(Plan(_spec({"alm_kd": [{"lr": 0.1}, {"lr": 0.2}]})), []))
    assert "alm_kd 2; fixed_kd none" in told
    assert of_plan(Plan(_spec(None)))["enqueued"] == {}

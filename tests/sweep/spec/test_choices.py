"""Hyperparameters that do not go together, fixed or searched, are told when a spec is checked."""

from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.foreground import Training
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_spec

BASELINE = {"method": "fixed_kd", "baseline": True}


def _spec(pin: dict[str, Any] | None = None, **changes: Any) -> SweepSpec:
    network = {"name": "detector", "width": 2, "layers": 1}
    row = {"method": "alm_kd", "pin": {"warmup_epochs": 1, **(pin or {})}}
    return small_spec(
        {
            "task": "detection", "data": {"dataset": "canvases", "canvases": 60},
            "conditions.noise_kind": ["flip"], "teacher.model": network, "student.model": network,
            "methods": [row, BASELINE], **changes,
        }
    )  # fmt: skip


REMEDY = r"alm_kd: terms: all .* pin hypergradient: full, or terms: outputs"


def test_features_are_not_weighed_by_a_step_of_the_last_layer() -> None:
    for pin in ({"terms": "all"}, {"terms": "all", "hypergradient": "last_layer"}):
        with pytest.raises(BadInput, match=REMEDY):
            _spec(pin)


def test_nor_where_a_search_would_propose_it() -> None:
    own = {"search.own": {"alm_kd": {"hypergradient": {"choices": ["full", "last_layer"]}}}}
    with pytest.raises(BadInput, match=REMEDY):
        _spec({"terms": "all"}, **own)
    _spec({"terms": "outputs"}, **own)


@pytest.mark.parametrize(
    "pin",
    [
        {},
        {"hypergradient": "full"},
        {"terms": "outputs", "hypergradient": "last_layer"},
        {"terms": "all", "hypergradient": "full"},
        {"terms": "all", "hypergradient": "full", "feature_weight": 0.3},
    ],
)
def test_what_goes_together_is_taken(pin: dict[str, Any]) -> None:
    assert _spec(pin).methods[0].pin.items() >= pin.items()


def test_a_weight_of_features_is_searched_where_features_are_heard_alone() -> None:
    spec = _spec({"terms": "all", "hypergradient": "full"})
    spaces = [spec.space_of(use) for use in spec.methods]
    assert ["feature_weight" in space for space in spaces] == [True, False]
    with pytest.raises(BadInput, match=r"pin.feature_weight: means something with terms: all"):
        _spec({"feature_weight": 0.3})
    with pytest.raises(BadInput, match=r"search.own.alm_kd.feature_weight: means something with"):
        _spec(**{"search.own": {"alm_kd": {"feature_weight": {"low": 0.1, "high": 1.0}}}})


@pytest.mark.parametrize("where", ["search.own", "search.shared"])
def test_what_others_need_is_the_same_in_all_trials_of_a_row(where: str) -> None:
    """Lanes of which some show more than others could not be taken up again together."""
    terms = {"terms": {"choices": ["all", "outputs"]}}
    space = {"fixed_kd": terms} if where == "search.own" else terms
    with pytest.raises(BadInput, match=r"fixed_kd: terms: cannot be searched, .* pin it, in a row"):
        _spec(**{"methods": [BASELINE], where: space})


def test_a_single_trial_is_held_to_it_too() -> None:
    plan = Plan(_spec({"terms": "outputs"}))
    with pytest.raises(BadInput, match=r"terms: all .* pin hypergradient: full"):
        Training(plan, plan.cells[0], {"terms": "all"}, 1)

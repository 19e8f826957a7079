"""Search budgets that are equal in compute."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.change import refuse_change
from sweep.plan.plan import Plan, spec_hash
from sweep.referee.referee import Referee
from tests.sweep.specs import small_spec
from tests.sweep.stage import MemoryTracker, Theatre, made_up, studies

COMPUTE = {"search.fair": "compute", "search.trials": 12}
ALM = {"method": "alm_kd", "pin": {"warmup_epochs": 0, "update_every": 1}}
KD = {"method": "fixed_kd", "baseline": True}
WIDER = {"method": "fixed_kd", "label": "wider", "with": {"student.model.hidden": [16]}}
NET = {"method": "meta_weight_net"}
ONE = {"conditions.noise_rate": [0.4]}


def _plan(changes: dict[str, Any]) -> Plan:
    return Plan(small_spec({**COMPUTE, **changes}))


def _trials(plan: Plan) -> dict[str, int]:
    return {cell.use.label: plan.trials_of(cell) for cell in plan.cells}


def test_specs_that_say_nothing_of_it_stay_what_they_are() -> None:
    before = small_spec()
    assert "fair" not in before.model_dump()["search"]
    assert small_spec({"search.fair": "trials"}) == before
    assert spec_hash(small_spec({"search.fair": "trials"})) == spec_hash(before) == "151d2448bb40"
    assert spec_hash(small_spec({"search.fair": "compute"})) != spec_hash(before)


def test_trials_are_what_the_budget_of_the_first_baseline_pays_for() -> None:
    plan = _plan({**ONE, "methods": [ALM, WIDER, NET, KD, {"method": "labels_only"}]})
    # 3 passes a step; 4; as many in a student twice as wide; 13.
    assert _trials(plan) == {
        "fixed_kd": 12, "labels_only": 12, "alm_kd": 9, "wider": 6, "meta_weight_net": 2,
    }  # fmt: skip
    assert plan.budget().search_trials == 12 + 12 + 9 + 6 + 2
    for cell in plan.cells:
        given = plan.allotted[cell.id]
        assert given.trials * given.cost.multiply_adds <= 12 * 3 * 64 * 8 * 4


def test_a_row_has_one_trial_at_least_and_a_cheaper_one_more() -> None:
    assert _trials(_plan({**ONE, "search.trials": 2, "methods": [NET, KD]}))["meta_weight_net"] == 1
    dear = {**NET, "baseline": True}
    assert _trials(_plan({**ONE, "methods": [{"method": "fixed_kd"}, dear]}))["fixed_kd"] == 52


def test_what_is_pinned_counts_and_of_what_is_searched_the_default() -> None:
    never = {"method": "alm_kd", "label": "never", "pin": {"warmup_epochs": 4}}
    assert _trials(_plan({**ONE, "methods": [never, KD]}))["never"] == 12
    # By default there is no update in so few epochs.
    searched = {"method": "alm_kd", "label": "searched"}
    own = {"search.own": {"searched": {"warmup_epochs": {"choices": [0, 1]}}}}
    plan = _plan({**ONE, **own, "methods": [searched, KD]})
    assert "warmup_epochs" in plan.cells[0].space
    assert _trials(plan)["searched"] == 12


def test_each_condition_has_a_budget_of_its_own() -> None:
    student = {"a": {"student.model.hidden": [8]}, "b": {"student.model.hidden": [16]}}
    plan = _plan({**ONE, "conditions.vary": {"width": student}, "methods": [ALM, KD]})
    first, second = plan.conditions
    assert plan.trials_of(plan.shown(first, "fixed_kd")) == 12
    assert plan.trials_of(plan.shown(second, "fixed_kd")) == 12
    assert plan.allotted[plan.shown(second, "fixed_kd").id].cost.work == 64 * 16


def _augmented(teachers: dict[str, Any]) -> Plan:
    """Teachers see what students see, so that they are asked at every step."""
    changes = {
        "data": {"dataset": "cifar10", "augment": "crop_flip", "clean": 0.1}, **ONE,
        "teacher.model": {"name": "resnet8"}, "student.model": {"name": "resnet8"},
        "conditions.vary": {"teacher": {k: {"teacher.model": m} for k, m in teachers.items()}},
        "methods": [KD, {"method": "labels_only"}],
    }  # fmt: skip
    return _plan(changes)


def test_teachers_that_see_what_students_see_are_counted() -> None:
    plan = _augmented({"like": {"name": "resnet8"}})
    assert plan.allotted[plan.cells[0].id].cost.step == 4
    assert _trials(plan) == {"fixed_kd": 12, "labels_only": 16}


def test_what_several_conditions_share_has_the_smallest_of_their_budgets() -> None:
    plan = _augmented({"large": {"name": "resnet20"}, "like": {"name": "resnet8"}})
    assert len(plan.cells) == 3
    assert plan.allotted[plan.cells[0].id].cost.step > 5
    assert _trials(plan)["labels_only"] == 16


def test_searches_come_to_these_trials(tmp_path: Path) -> None:
    plan, tracker = _plan({**ONE, "methods": [ALM, KD]}), MemoryTracker()
    Theatre(Referee(plan, studies(plan, tmp_path), tracker), made_up, 2, 0).play()
    asked = Counter(key.partition("/trial/")[0].rpartition("/")[2] for key in tracker.of("search"))
    assert asked == {"alm_kd": 9, "fixed_kd": 12}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search.timeout": 60}, r"search.timeout: .*equal compute; drop one"),
        ({"search.fair": "time"}, "write trials or compute"),
        (
            {"student.model": {"name": "module", "path": "tests.sweep.own_parts:Net"}},
            "module takes is not known; take another network",
        ),
        ({"data": {"dataset": "npz", "path": "x.npz"}}, "as large as its files say"),
        (
            {
                "search.enqueue": {"meta_weight_net": [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.05}]},
                "methods": [NET, KD],
            },
            r"search.enqueue.meta_weight_net: has 3 .* gives .* 2; raise",
        ),
        (
            {"methods": [KD, {**WIDER, "with": {"student.training.steps": 5}}]},
            "wider and the baseline train for epochs of so many steps",
        ),
    ],
)
def test_what_cannot_be_counted_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        _plan({**ONE, **changes})


def test_a_launched_sweep_may_grow_and_not_shrink() -> None:
    before = small_spec({**COMPUTE, "methods": [ALM, KD]})
    refuse_change(before, small_spec({**COMPUTE, "search.trials": 24, "methods": [ALM, KD]}))
    cheaper = {**WIDER, "baseline": True, "with": {"student.model.hidden": [4]}}
    with pytest.raises(BadInput, match=r"its budget of compute would be smaller.*--fork"):
        refuse_change(before, small_spec({**COMPUTE, "methods": [cheaper, ALM, KD]}))
    with pytest.raises(BadInput, match=r"search\.fair"):
        refuse_change(small_spec({"search.trials": 12, "methods": [ALM, KD]}), before)

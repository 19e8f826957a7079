"""Few calls of teachers as a condition: cells, their names, and how many calls they have."""

from typing import Any

import pytest

from sweep.commands.plan_text import describe
from sweep.compare.records import of_plan
from sweep.plan.plan import Plan
from sweep.plan.run_settings import run_settings
from sweep.plan.tasks import search_cohort
from sweep.plan.teacher_calls import teacher_calls
from tests.sweep.specs import small_spec

CALLS = {"calls": {"field": "data.teacher_calls", "values": [0.05, 0.2, 1.0]}}
ROWS = [
    {"method": "ckd"},
    {"method": "fixed_kd", "baseline": True},
    {"method": "labels_only"},
]
DROP = {"student.training.steps": 6, "conditions.vary": CALLS}
LABEL = {"data.unasked": "label", "conditions.vary": CALLS}


def plan_of(changes: Any) -> Plan:
    return Plan(small_spec({"methods": ROWS, "conditions.noise_rate": [0.4], **changes}))


def test_every_row_reads_the_calls_where_the_others_are_dropped() -> None:
    plan = plan_of(DROP)
    assert len(plan.cells) == 9
    assert [cell.id for cell in plan.cells[:3]] == [
        f"symmetric-0.4-noisy-calls-0.05/{row}" for row in ("ckd", "fixed_kd", "labels_only")
    ]
    assert plan.comparisons == 6


def test_the_labels_alone_are_one_cell_where_all_labels_stay() -> None:
    plan = plan_of(LABEL)
    assert len(plan.cells) == 7
    shown = {plan.shown(condition, "labels_only").id for condition in plan.conditions}
    assert shown == {"symmetric-0.4-noisy/labels_only"}


def test_both_regimes_may_be_conditions() -> None:
    regime = {"regime": {"field": "data.unasked", "values": ["drop", "label"]}}
    plan = plan_of({**DROP, "conditions.vary": {**CALLS, **regime}})
    plain = {plan.shown(condition, "labels_only").id for condition in plan.conditions}
    assert len(plain) == 4
    assert len(plan.cells) == 2 * 6 + 4


@pytest.mark.parametrize("changes", [DROP, LABEL])
def test_cells_train_as_their_condition_says(changes: Any) -> None:
    plan = plan_of(changes)
    for condition in plan.conditions:
        cell = plan.shown(condition, "ckd")
        task = search_cohort(plan, plan.searches_of(cell)[0], {0: {}}, 0)
        assert task.data.calls is not None
        assert task.data.calls.share == condition.varied[0].number
    assert len(plan.teachers) == len(plan_of({}).teachers)


def test_calls_are_counted() -> None:
    """1,797 digits, 40 % of them trained on."""
    plan = plan_of(DROP)
    calls = {
        cell.id.removeprefix("symmetric-0.4-noisy-"): teacher_calls(cell) for cell in plan.cells
    }
    assert {name: str(of) for name, of in calls.items()} == {
        f"calls-{share}/{row}": "none" if row == "labels_only" else number
        for share, number in (("0.05", "35"), ("0.2", "143"), ("1", "718"))
        for row in ("ckd", "fixed_kd", "labels_only")
    }
    assert teacher_calls(plan_of({}).cells[0]) is None
    teachers = [{"model": {"name": "mlp", "hidden": [size]}} for size in (8, 9)]
    several = plan_of({**LABEL, "teacher": teachers, "methods": [ROWS[1]]})
    assert str(teacher_calls(several.cells[0])) == "70 of 2 teachers"
    given = plan_of({**LABEL, "data.splits": {"file": "splits.csv"}})
    assert str(teacher_calls(given.cells[0])) == "5 % of the training split"


def test_they_are_told_by_plan_run_and_record() -> None:
    spec = small_spec({"methods": ROWS, "conditions.noise_rate": [0.4], **DROP})
    plan = Plan(spec)
    (line,) = [line for line in describe(spec) if line.startswith("calls")]
    assert line == (
        "calls       of teachers, by one student: ckd 35 to 718, fixed_kd 35 to 718, "
        "labels_only none"
    )
    task = search_cohort(plan, plan.searches[0], {0: {}}, 0)
    assert run_settings(plan, task, task.lanes[0])["teacher_calls"] == "35"
    assert of_plan(plan)["calls"][plan.cells[0].id] == "35"
    without = plan_of({})
    task = search_cohort(without, without.searches[0], {0: {}}, 0)
    assert "teacher_calls" not in run_settings(without, task, task.lanes[0])
    assert of_plan(without)["calls"] == {}
    assert not any(line.startswith("calls") for line in describe(without.spec))

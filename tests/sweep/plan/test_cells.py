"""Cells where conditions are axes: which are one, what they are called, what they share."""

from collections.abc import Mapping
from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.change import grows, refuse_change
from sweep.plan.clean_labels import clean_labels, unequal_note
from sweep.plan.plan import Cell, Plan, spec_hash
from sweep.plan.run_settings import names_of_settings, run_settings
from sweep.plan.tasks import confirm_cohort, search_cohort, teacher_cohort
from sweep.spec.reader import read_spec
from tests.sweep.spec.test_axes import CLEAN, PAIR, VARIED
from tests.sweep.specs import SMALL, small_spec

ROWS = [
    {"method": "alm_kd", "clean": "train", "pin": {"warmup_epochs": 1, "update_every": 1}},
    {"method": "fixed_kd", "baseline": True},
    {"method": "labels_only"},
]


def plan_of(changes: Mapping[str, Any]) -> Plan:
    return Plan(small_spec({"methods": ROWS, "conditions.noise_rate": [0.4], **changes}))


def test_names_are_what_they_were_without_axes() -> None:
    plan = Plan(small_spec())
    assert [cell.id for cell in plan.cells][:2] == [
        "symmetric-0-noisy/alm_kd",
        "symmetric-0-noisy/fixed_kd",
    ]
    assert all(cell.spec is plan.spec for cell in plan.cells)


def test_the_hash_of_a_spec_is_that_of_earlier_releases() -> None:
    # As 0.1.0 gave it, for sweeps whose spec has to be told by its hash.
    assert spec_hash(small_spec()) == "151d2448bb40"


def test_a_cell_is_named_by_the_axes_that_it_reads() -> None:
    plan = plan_of(VARIED)
    assert [cell.id.removeprefix("symmetric-0.4-noisy-") for cell in plan.cells] == [
        "clean-0.05-pair-24-8/alm_kd",
        "pair-24-8/fixed_kd",
        "pair-24-8/labels_only",
        "clean-0.05-pair-32-16/alm_kd",
        "pair-32-16/fixed_kd",
        "pair-32-16/labels_only",
        "clean-0.1-pair-24-8/alm_kd",
        "clean-0.1-pair-32-16/alm_kd",
    ]
    shown = [plan.shown(condition, "fixed_kd").id for condition in plan.conditions]
    assert shown == [shown[0], shown[1], shown[0], shown[1]]
    assert plan.comparisons == 4 + 2
    assert plan.conditions_of(plan.cell(shown[0])) == (plan.conditions[0], plan.conditions[2])


def test_pairs_with_one_student_share_what_hears_no_teacher() -> None:
    pair = {**PAIR, "32 → 8": {**PAIR["32 → 16"], "student.model": {"name": "mlp", "hidden": [8]}}}
    plan = plan_of({"conditions.vary": {"pair": pair}})
    labels = {c.varied[0].label: plan.shown(c, "labels_only").id for c in plan.conditions}
    assert labels["24 → 8"] == labels["32 → 8"] != labels["32 → 16"]
    assert plan.shown(plan.conditions[2], "fixed_kd").id.endswith("pair-32-8/fixed_kd")


def test_every_cell_trains_what_its_condition_says() -> None:
    plan = plan_of(VARIED)
    for condition in plan.conditions:
        cell = plan.shown(condition, "alm_kd")
        clean, pair = (value.label for value in condition.varied)
        for task in (
            search_cohort(plan, plan.searches_of(cell)[0], {0: {}}, 0),
            confirm_cohort(plan, plan.searches_of(cell)[0], 0, {}, (1, 2)),
        ):
            assert task.data.fractions.clean == float(clean)
            assert task.spec.model.sizes["hidden"] == (int(pair.split(" → ")[1]),)
            assert {lane.source.clean for lane in task.lanes} == {"train"}
        (teacher,) = plan.jobs_of(cell, 0)
        assert teacher.network.model.given["hidden"] == (int(pair.split(" → ")[0]),)


def test_one_teacher_serves_all_conditions_that_agree_on_it() -> None:
    seeds = 1 + SMALL["confirm"]["seeds"]
    assert len(plan_of({"conditions.vary": {"clean": CLEAN}}).teachers) == seeds
    assert len(plan_of(VARIED).teachers) == 2 * seeds
    # The size of the meta split is nothing to it, nor is what the rows do with that.
    alone = {job.key for job in plan_of({}).teachers}
    assert {job.key for job in plan_of({"conditions.vary": {"clean": CLEAN}}).teachers} == alone
    epochs = {"epochs": {"field": "teacher.training.epochs", "values": [2, 3]}}
    assert len(plan_of({"conditions.vary": epochs}).teachers) == 2 * seeds


def test_a_row_with_a_patch_stands_in_the_same_condition() -> None:
    row = {"method": "fixed_kd", "label": "b32", "with": {"student.training.batch_size": 32}}
    plan = plan_of({"methods": [*ROWS, row]})
    assert len(plan.conditions) == 1
    ours, others = (plan.shown(plan.conditions[0], label) for label in ("b32", "fixed_kd"))
    sizes = [
        search_cohort(plan, plan.searches_of(c)[0], {0: {}}, 0).spec.training.batch_size
        for c in (ours, others)
    ]
    assert sizes == [32, 64]
    assert plan.teachers_of(ours, 1) == plan.teachers_of(others, 1)


@pytest.mark.parametrize(
    ("row", "share", "expected"),
    [
        ({"method": "fixed_kd"}, None, "none"),
        ({"method": "fixed_kd", "clean": "train"}, None, "179 trained on"),
        ({"method": "fixed_kd", "clean": "train"}, 0.01, "17 trained on"),
        ({"method": "alm_kd"}, None, "179 held out"),
        ({"method": "alm_kd", "clean": "train"}, 0.05, "89 held out and trained on"),
        ({"method": "alm_kd", "clean": "split"}, 0.05, "45 held out, 44 trained on"),
        ({"method": "meta_weight_net", "clean": "split"}, None, "90 held out, 89 trained on"),
    ],
)
def test_how_many_clean_labels_a_cell_has_and_for_what(
    row: dict[str, Any], share: float | None, expected: str
) -> None:
    changes = {"methods": [{**row, "baseline": True}], "conditions.noise_rate": [0.4]}
    plan = Plan(small_spec(changes | ({"data.clean": share} if share else {})))
    assert str(clean_labels(plan.cells[0])) == expected


def test_where_a_task_deals_rows_out_in_its_own_way_clean_labels_are_a_share() -> None:
    for cell in Plan(read_spec("recommendation_quick")).cells:
        if cell.use.method == "alm_kd":
            assert str(clean_labels(cell)) == "10 % of the data held out and trained on"


def _settings(plan: Plan, cell: Cell) -> dict[str, str]:
    """Of a confirm run of a cell."""
    task = confirm_cohort(plan, plan.searches_of(cell)[0], 0, {"lr": 0.1}, (3,))
    return run_settings(plan, task, task.lanes[0])


def test_runs_say_where_they_stand_on_every_axis() -> None:
    plan = plan_of(VARIED)
    alm_kd, fixed_kd = plan.cells[0], plan.cells[1]
    settings = _settings(plan, alm_kd)
    assert (settings["clean"], settings["pair"]) == ("0.05", "24 → 8")
    assert settings["clean_labels"] == "89 held out and trained on"
    assert _settings(plan, fixed_kd)["clean"] == "0.05, 0.1"
    of_teacher = teacher_cohort(plan.teachers[:1])
    settings = run_settings(plan, of_teacher, of_teacher.lanes[0])
    assert (settings["clean"], settings["pair"]) == ("0.05, 0.1", "24 → 8")
    assert set(settings) <= names_of_settings(plan.spec.axes)


def test_runs_say_in_what_they_are_beside_hyperparameters() -> None:
    plan = Plan(small_spec({"conditions.noise_rate": [0.4]}))
    cell = next(cell for cell in plan.cells if cell.use.label == "fixed_kd")
    assert _settings(plan, cell) == {
        "method": "fixed_kd",
        "stage": "confirm",
        "seed": "3",
        "noise_kind": "symmetric",
        "noise_rate": "0.4",
        "teacher_labels": "noisy",
        "dataset": "digits",
        "student": "mlp hidden 8",
        "teacher": "mlp hidden 24",
        "clean_labels": "none",
    }
    of_teacher = teacher_cohort(plan.teachers[:1])
    settings = run_settings(plan, of_teacher, of_teacher.lanes[0])
    assert settings["stage"] == "teacher"
    assert settings["teacher"] == "mlp hidden 24"
    assert "student" not in settings


def test_labels_that_make_one_name_of_two_cells_are_refused() -> None:
    a = {"x": {"student.training.epochs": 2}, "x-b-y": {"student.training.epochs": 3}}
    b = {"y-b-z": {"student.training.batch_size": 32}, "z": {"student.training.batch_size": 16}}
    with pytest.raises(BadInput, match="two cells would be called"):
        plan_of({"conditions.vary": {"a": a, "b": b}})


LARGER = {"field": "data.clean", "values": [0.05, 0.1, 0.02]}


@pytest.mark.parametrize(
    "changes",
    [
        {"conditions.noise_rate": [0.4, 0.6]},
        {"conditions.noise_rate": [0.2, 0.4]},
        {"conditions.vary": {"clean": LARGER}},
        {"methods": [*ROWS, {"method": "superloss"}]},
        {"methods": [*ROWS, {"method": "fixed_kd", "label": "b", "with": {"data.clean": 0.1}}]},
        {"search.trials": 12, "confirm.seeds": 4},
    ],
)
def test_more_conditions_and_rows_extend_a_sweep(changes: dict[str, Any]) -> None:
    base = {"conditions.vary": {"clean": CLEAN}, "methods": ROWS, "conditions.noise_rate": [0.4]}
    if "with" in str(changes):
        del base["conditions.vary"]
    before, now = small_spec(base), small_spec({**base, **changes})
    refuse_change(before, now)
    assert grows(before, now)
    assert not grows(before, before)
    kept, there = Plan(before).cells, {cell.id for cell in Plan(now).cells}
    assert {cell.id for cell in kept} <= there


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conditions.noise_rate": [0.6]}, r"differ: conditions.noise_rate: 0.4 before, not now\."),
        ({"conditions.noise_rate": [0.6]}, "change: symmetric-0.4-noisy-clean-0.05/alm_kd, "),
        (
            {"conditions.vary": {"clean": {"field": "data.clean", "values": [0.05]}}},
            r"differ: conditions.vary.clean.values: 0.1 before, not now\.",
        ),
        ({"conditions.vary.clean.values": [0.05, 0.09]}, "clean-0.1/alm_kd"),
        ({"methods": ROWS[:2]}, r"differ: methods.labels_only: there before, not now\."),
        ({"methods.0.clean": "split"}, r"differ: methods.alm_kd.clean: .* 'split' now\."),
        (
            {"methods.0.pin": {"warmup_epochs": 2}},
            r"; methods.alm_kd.pin.warmup_epochs: 1 before, 2 now\.",
        ),
        ({"methods.2.baseline": True}, r"methods.labels_only.baseline: False before, True now\."),
        (
            {"search.shared": {"lr": {"low": 0.1, "high": 0.2}}},
            r"differ: search.shared.lr: nothing before, \{.*'high': 0.2.*\} now\.",
        ),
        (
            {"teacher.model.hidden": [25], "student.model.hidden": [9]},
            r"student.model.hidden: \[8\] before, \[9\] now; teacher.*hidden: \[24\] before",
        ),
        ({"student.training.epochs": 9}, "student.training.epochs: 4 before, 9 now"),
        ({"search.trials": 3}, "search.trials: 6 before, 3 now"),
    ],
)
def test_cells_that_were_launched_may_not_change(changes: dict[str, Any], words: str) -> None:
    base = {"conditions.vary": {"clean": CLEAN}, "methods": ROWS, "conditions.noise_rate": [0.4]}
    with pytest.raises(BadInput, match=words) as caught:
        refuse_change(small_spec(base), small_spec({**base, **changes}))
    assert "--fork" in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}], True),
        ([{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True, "clean": "train"}], False),
        ([{"method": "alm_kd", "baseline": True}], False),
        ([{"method": "fixed_kd", "baseline": True}, {"method": "labels_only"}], False),
    ],
)
def test_it_is_said_where_those_that_learn_weights_alone_have_clean_labels(
    rows: list[dict[str, Any]], told: bool
) -> None:
    note = unequal_note(Plan(small_spec({"methods": rows})))
    assert note.startswith("Clean labels are read by alm_kd alone.") if told else note == ""


def test_noisy_labels_of_the_meta_split_are_no_clean_ones() -> None:
    noisy = {"conditions.noisy_splits": ["train", "meta"]}
    assert unequal_note(Plan(small_spec(noisy))) == ""

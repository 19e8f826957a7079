"""What a spec may say of teachers that are given."""

from collections.abc import Mapping
from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.smoke import smallest_of
from sweep.spec.reader import check_spec
from tests.sweep.specs import SMALL, small_data, small_spec

MLP = {"name": "mlp", "hidden": [24]}
WEIGHTS = {"model": MLP, "weights": "teacher.pt"}
LOGITS = {"logits": "teacher.npy"}
KD = [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}]
TRAINING: Mapping[str, Any] = {
    "training": {"epochs": 3}, "lr": 0.1, "weight_decay": 0.0, "generations": 2, "snapshots": [1],
}  # fmt: skip


@pytest.mark.parametrize("teacher", [WEIGHTS, LOGITS])
def test_it_is_written_as_it_was_given(teacher: Mapping[str, Any]) -> None:
    spec = small_spec({"teacher": teacher})
    assert spec.model_dump(mode="json")["teacher"] == teacher
    assert check_spec(spec.model_dump(mode="json"), "again") == spec
    assert smallest_of(spec).model_dump(mode="json")["teacher"] == teacher


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        *(
            ({"teacher": {**given, name: value}}, f"teacher.{name}: means nothing here, as a")
            for given in (WEIGHTS, LOGITS)
            for name, value in TRAINING.items()
        ),
        ({"teacher": {"weights": "a.pt"}}, "teacher.model: is missing; add it"),
        ({"teacher": {**LOGITS, "model": MLP}}, "teacher.logits: are all there is to know"),
        ({"teacher": {**WEIGHTS, **LOGITS}}, "drop weights, or the logits"),
        ({"teacher": {"logits": "a.csv"}}, "'a.csv' must be a file that ends in .npy, .npz"),
        ({"teacher": {**WEIGHTS, "weights": ""}}, "teacher.weights: ''"),
        (
            {"teacher": LOGITS, "data.augment": "crop_flip"},
            "teacher.logits: are of the examples as they are, and data.augment changes them",
        ),
        (
            {"teacher": [WEIGHTS, LOGITS], "data.augment": "crop_flip", "methods": KD},
            "teacher.1.logits: are of the examples as they are",
        ),
        (
            {"teacher": WEIGHTS, "conditions.teacher_labels": ["noisy", "clean"]},
            "conditions.teacher_labels: ['noisy', 'clean']: which labels a given teacher saw is",
        ),
    ],
)
def test_what_means_nothing_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        small_spec(changes)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": [WEIGHTS, SMALL["teacher"]], "methods": KD},
        {"methods": [{"method": "born_again", "baseline": True}]},
        {"methods": [{"method": "labels_only", "baseline": True}]},
    ],
)
def test_labels_may_vary_where_no_row_hears_given_teachers_alone(
    changes: Mapping[str, Any],
) -> None:
    small_spec({"teacher": WEIGHTS, **changes, "conditions.teacher_labels": ["noisy", "clean"]})


def test_logits_serve_rows_that_change_no_inputs_themselves() -> None:
    rows = [{"method": "born_again"}, {"method": "labels_only", "baseline": True}]
    small_spec({"teacher": LOGITS, "data.augment": "crop_flip", "methods": rows})


def test_a_trained_and_a_given_teacher_are_values_of_an_axis() -> None:
    values = {
        "own": {"teacher.weights": "teacher.pt"},
        "logits": {"teacher.logits": "teacher.npy"},
        "trained": {"teacher.lr": 0.05},
    }
    plan = Plan(small_spec({"methods": KD, "conditions.vary": {"taught": values}}))
    given = {
        condition.varied[0].label: [t.given for t in plan.shown(condition, "alm_kd").spec.teacher]
        for condition in plan.conditions
    }
    assert given == {"own": ["teacher.pt"], "logits": ["teacher.npy"], "trained": [None]}


def test_teachers_like_the_student_train_at_the_rate_of_the_task() -> None:
    rows = [{"method": "born_again"}, {"method": "labels_only", "baseline": True}]
    given, trained = (
        Plan(small_spec({"methods": rows, "teacher": teacher}))
        for teacher in (WEIGHTS, SMALL["teacher"])
    )
    assert [job.key for job in given.teachers] == [job.key for job in trained.teachers]


def test_tasks_whose_outputs_no_file_can_hold_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from sweep.spec.spec import TASKS

    entry = replace(TASKS["classification"], outputs_from_files=False)
    monkeypatch.setattr("sweep.spec.spec.TASKS", {"classification": entry})
    with pytest.raises(BadInput, match="the task classification reads no teachers' outputs"):
        check_spec(small_data({"teacher": LOGITS}), "small")

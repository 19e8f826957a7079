"""What a spec may say of classes that come task by task."""

from collections.abc import Mapping
from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.smoke import smallest_of
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import put, small_data, small_spec
from trainers.settings import Stream

MLP = {"name": "mlp", "hidden": [8]}
ADAPTS = {"teacher.batch_norm": "batch"}
ROWS = [
    {"method": "fixed_kd", "label": "ta", "with": ADAPTS},
    {"method": "fixed_kd", "label": "lwf", "baseline": True},
    {"method": "labels_only", "label": "joint", "with": {"data.stream.joint": True}},
]


def _data(changes: Mapping[str, Any]) -> dict[str, Any]:
    data = small_data({"task": "incremental", "methods": ROWS})
    data["student"]["model"] = {**MLP, "norm": "batch"}
    del data["teacher"]
    for path, value in changes.items():
        put(data, path, value)
    return data


def _spec(changes: Mapping[str, Any] | None = None) -> SweepSpec:
    return check_spec(_data(changes or {}), "small")


def test_the_student_before_teaches_without_a_word() -> None:
    spec = _spec()
    written = spec.model_dump(mode="json")
    assert written["teacher"] == {"batch_norm": "frozen"}
    assert written["data"]["stream"] == {"tasks": 5, "order": "seed"}
    assert check_spec(written, "again") == spec
    assert spec.selection().epoch == "last"
    assert smallest_of(spec).task_entry.name == "incremental"


def test_rows_differ_in_what_the_teacher_normalises_by_and_in_what_tasks_show() -> None:
    plan = Plan(_spec({"data.stream": {"tasks": 2, "first": 6}}))
    assert plan.teachers == ()
    streams = {cell.use.label: cell.spec.data_settings().stream for cell in plan.cells}
    assert streams == {
        "ta": Stream(2, 6, batch_norm="batch"),
        "lwf": Stream(2, 6),
        "joint": Stream(2, 6, joint=True),
    }
    training = plan.cells[0].spec.student_training()
    assert (training.phases, training.epochs, training.all_epochs) == (2, 4, 8)
    # 3 rows under 2 rates, 6 trials and 3 seeds each; joint has lr alone to search, as others.
    assert plan.budget().student_epochs == 3 * 2 * (6 + 3) * 8


def test_each_task_is_trained_from_the_start_of_the_schedule() -> None:
    training = _spec({"student.training.evaluate_every": 3}).student_training()
    assert [training.place(epoch) for epoch in (1, 4, 5, 20)] == [(0, 1), (0, 4), (1, 1), (4, 4)]
    assert [e for e in range(1, 9) if training.evaluates(e)] == [3, 4, 7, 8]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"teacher": {"model": MLP}}, "teacher.model: means nothing here, as the student before"),
        ({"teacher": {"lr": 0.1}}, "teacher.lr: means nothing here, as the student before"),
        ({"teacher": [{"batch_norm": "batch"}] * 2}, "teacher: is one, the student before"),
        (
            {"teacher": {"batch_norm": "batch"}, "student.model": MLP},
            "teacher.batch_norm: batch changes nothing, as mlp does not normalise over batches; "
            "give it norm: batch",
        ),
        (
            {"conditions.teacher_labels": ["clean"]},
            "conditions.teacher_labels: the teacher is the student before",
        ),
        ({"data.stream.joint": True}, "ta has no teacher to hear; give it to a row of labels_only"),
        (
            {"methods.2": {"method": "alm_kd", "clean": "split"}},
            "methods.2.clean: split leaves tasks with unequal numbers of clean examples",
        ),
        ({"data.stream": {"tasks": 0}}, "data.stream.tasks: 0 (a whole number) must be"),
        ({"methods.2.with": {"data.stream.tasks": 2}}, "data.stream.tasks decides which examples"),
        ({"student.model": {"name": "module"}}, "module"),
        ({"methods.1.method": "bikd"}, "bikd"),
        ({"conditions.noise_kind": ["asymmetric"]}, "asymmetric"),
        ({"confirm.folds": 3}, "confirm.folds"),
        ({"data.splits": {"file": "splits.csv"}}, "data.splits: the task incremental draws splits"),
    ],
)
def test_what_streams_do_not_know_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        _spec(changes)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data.stream": {"tasks": 2}}, "data.stream: in the task classification all classes come"),
        ({"teacher": {"batch_norm": "batch"}}, "teacher.batch_norm: in the task classification"),
    ],
)
def test_where_classes_come_at_once_there_is_no_stream(
    changes: Mapping[str, Any], said: str
) -> None:
    with pytest.raises(BadInput) as refused:
        small_spec(changes)
    assert said in str(refused.value)

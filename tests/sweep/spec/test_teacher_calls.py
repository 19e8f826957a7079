"""Few calls of teachers: what a spec may say of them, and what it may not."""

from dataclasses import replace
from typing import Any, cast

import pytest

from sweep.errors import BadInput
from sweep.plan.plan import Plan, spec_hash
from sweep.spec.reader import check_spec
from sweep.spec.stored import migrated, written
from tests.sweep.specs import small_spec
from trainers.data.errors import DataError
from trainers.entries import TaskEntry
from trainers.loading import load_dataset
from trainers.registry import TASKS
from trainers.settings import TeacherCalls

FEW = {"data.teacher_calls": 0.05, "student.training.steps": 6}
LABELLED = {"data.teacher_calls": 0.05, "data.unasked": "label"}


def test_without_it_a_spec_is_what_it_was() -> None:
    spec = small_spec()
    assert spec.data_settings().calls is None
    assert {"teacher_calls", "unasked"}.isdisjoint(written(spec)["data"])
    assert spec_hash(spec) == "151d2448bb40"


@pytest.mark.parametrize(
    ("changes", "calls"),
    [(FEW, TeacherCalls(0.05, "drop")), (LABELLED, TeacherCalls(0.05, "label"))],
)
def test_it_is_read_back_as_it_was_written(changes: Any, calls: TeacherCalls) -> None:
    spec = small_spec(changes)
    assert spec.data_settings().calls == calls
    assert check_spec(migrated(written(spec)), "kept") == spec


def test_teachers_are_the_same_whatever_may_be_asked() -> None:
    keys = {job.key for job in Plan(small_spec()).teachers}
    assert {job.key for job in Plan(small_spec(FEW)).teachers} == keys
    assert {job.key for job in Plan(small_spec(LABELLED)).teachers} == keys


ALM_KD = {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}}
FIXED_KD = {"method": "fixed_kd", "baseline": True}


def _alm_kd(**pin: object) -> dict[str, Any]:
    return {**LABELLED, "methods": [{"method": "alm_kd", "pin": pin}, FIXED_KD]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data.teacher_calls": 0.0}, "data.teacher_calls: 0.0"),
        (
            {**LABELLED, "teacher.source": {"name": "digit_codes"}},
            "data.teacher_calls: a light teacher is asked about examples of its own alone",
        ),
        ({"data.teacher_calls": 1.5}, "data.teacher_calls: 1.5"),
        ({**LABELLED, "data.unasked": "keep"}, "data.unasked: 'keep'"),
        (
            {"data.unasked": "label"},
            "data.unasked: says what becomes of examples that teachers are not asked about, and "
            "they are about all; add data.teacher_calls",
        ),
        (
            {"data.teacher_calls": 0.05},
            "smaller shares would train for fewer steps; say how many an epoch has, "
            "student.training.steps, or keep the labels of the others, data.unasked: label",
        ),
        (
            {**LABELLED, "data.augment": "crop_flip"},
            "data.augment changes inputs while students train, so that alm_kd asks its teacher",
        ),
        (
            {**LABELLED, "teacher.generations": 2},
            "a teacher's later generations ask the one before about every training example; drop",
        ),
        (
            _alm_kd(held_out_loss="teacher"),
            "alm_kd asks the teachers about the meta split with held_out_loss teacher, and "
            "data.teacher_calls has them asked about training examples alone; pin other values",
        ),
        (_alm_kd(variant="max"), "with held_out_loss default, variant max, and"),
        (
            {
                **LABELLED,
                "search.own": {"alm_kd": {"variant": {"choices": ["box", "softmax"]}}},
            },
            "with held_out_loss default, variant softmax, and",
        ),
        (
            {
                **LABELLED,
                "methods": [
                    {"method": "alm_kd", "clean": "train", "pin": {"clean_alpha": 0.5}},
                    FIXED_KD,
                ],
            },
            "alm_kd: clean_alpha weighs teachers on clean examples, which are of the meta split",
        ),
        (
            {"methods": [FIXED_KD, {"method": "ckd", "with": {"data.teacher_calls": 0.5}}]},
            "data.teacher_calls decides what teachers may be asked about, and rows of a condition "
            "share that; make it an axis under conditions.vary",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: Any, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        small_spec(changes)
    assert said in str(caught.value)


def test_what_asks_nobody_else_is_taken() -> None:
    small_spec(_alm_kd(variant="max", held_out_loss="labels"))
    small_spec({**LABELLED, "methods": [{**ALM_KD, "clean": "train"}, FIXED_KD]})
    # Nobody hears a teacher whose outputs are changed with the inputs.
    plain = [{"method": "labels_only", "baseline": True}]
    small_spec({**LABELLED, "data.augment": "crop_flip", "methods": plain})


def test_texts_are_not_mixed_with_few_calls() -> None:
    text = {
        "data": {"dataset": "reuters_r8", "teacher_calls": 0.05, "unasked": "label"},
        "teacher.model": {"name": "transformer"},
        "student.model": {"name": "transformer"},
        "conditions.noise_rate": [0.0],
    }
    with pytest.raises(BadInput, match="mixkd asks its teacher about inputs that it makes itself"):
        small_spec({**text, "methods": [{"method": "mixkd"}, FIXED_KD]})


def test_a_task_that_does_not_take_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(TASKS["classification"], takes_calls=False)
    monkeypatch.setitem(cast(dict[str, TaskEntry], TASKS), "classification", other)
    with pytest.raises(BadInput, match=r"data\.teacher_calls: the task classification keeps"):
        small_spec(FEW)


def test_a_share_of_which_fewer_than_two_examples_are_is_refused() -> None:
    from trainers.loading import check_splits

    spec = small_spec({**FEW, "data.teacher_calls": 0.002})
    with pytest.raises(DataError, match=r"teacher_calls: 0\.002 of 718 training examples is 1,"):
        check_splits(load_dataset(small_spec().data_settings()), spec.data_settings())

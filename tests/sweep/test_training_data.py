"""What a spec says of its data reaches the training of a cohort."""

from collections.abc import Mapping
from typing import Any

import pytest

from sweep.plan.plan import Plan
from sweep.plan.tasks import teacher_cohort
from sweep.training import train
from tests.sweep.specs import small_spec
from tests.trainers.cases import Diary
from trainers.loading import load_dataset
from trainers.loop.cohort import Metrics

BASE: Mapping[str, Any] = {
    "data.examples": 200,
    "conditions.noise_rate": [0.4],
    "confirm.seeds": 1,
    "teacher.training.epochs": 1,
}


def _epoch(changes: Mapping[str, Any]) -> Metrics:
    """The first epoch of the search seed's teacher."""
    plan = Plan(small_spec({**BASE, **changes}))
    task = teacher_cohort(plan.teacher_cohorts[0])
    diary = Diary()
    train(task, load_dataset(task.data), {}, diary)
    (rows,) = diary.rows.values()
    return rows[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"data.augment": "crop_flip"},
        {"conditions.noisy_splits": ["train", "validation"]},
        {"conditions.noise_kind": ["instance"]},
        {"conditions.noise_kind": ["asymmetric"]},
        {"data.examples": 210},
    ],
)
def test_change_of_the_data_changes_the_training(changes: Mapping[str, Any]) -> None:
    assert _epoch(changes) != _epoch({})


def test_class_map_of_the_spec_is_the_one_that_is_used() -> None:
    asymmetric = {"conditions.noise_kind": ["asymmetric"]}
    usual = [[2, 7], [3, 8], [5, 6], [6, 5], [7, 1]]
    other = {**asymmetric, "conditions.class_map": [[0, 1]]}
    assert _epoch({**asymmetric, "conditions.class_map": usual}) == _epoch(asymmetric)
    assert _epoch(other) != _epoch(asymmetric)


def test_teachers_of_other_data_have_other_keys() -> None:
    changes: list[dict[str, Any]] = [
        {}, {"data.examples": 200}, {"data.augment": "crop_flip"},
        {"conditions.noisy_splits": ["train", "meta"]}, {"conditions.noise_kind": ["pair"]},
        {"conditions.noise_kind": ["asymmetric"]},
        {"conditions.noise_kind": ["asymmetric"], "conditions.class_map": [[1, 2]]},
    ]  # fmt: skip
    plans = [Plan(small_spec({**change, "conditions.noise_rate": [0.4]})) for change in changes]
    assert len({plan.teachers[0].key for plan in plans}) == len(changes)

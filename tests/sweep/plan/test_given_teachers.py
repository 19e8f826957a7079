"""Teachers that are given: one for all seeds and labels, known by what their files hold."""

from pathlib import Path
from typing import Any

import pytest

from sweep.commands.plan_text import describe
from sweep.plan.content import described, fingerprints, named_by
from sweep.plan.plan import Plan
from sweep.plan.tasks import teacher_cohort
from tests.sweep.specs import SMALL, small_spec
from trainers.settings import NO_NETWORK

MLP = {"name": "mlp", "hidden": [24]}
KD = [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}]


def _plan(file: Path, **changes: Any) -> Plan:
    spec = small_spec({"methods": KD, "teacher": {"logits": str(file)}, **changes})
    return Plan(spec, fingerprints(spec, {}))


def _key(file: Path, **changes: Any) -> str:
    (job,) = _plan(file, **changes).teachers
    return job.key


def test_its_key_is_of_its_content_and_of_no_seed(tmp_path: Path) -> None:
    file = tmp_path / "t.npy"
    file.write_bytes(b"first")
    first = _key(file)
    changes = {"seed": 7, "conditions.noise_rate": [0.1], "confirm.seeds": 9, "search.trials": 3}
    assert _key(file, **changes) == first
    assert _key(file, **{"search.per_seed": True}) == first
    assert _key(file, **{"data.examples": 300}) != first
    file.write_bytes(b"second")
    second = _key(file)
    assert second != first
    file.write_bytes(b"first")
    assert _key(file) == first
    other = tmp_path / "other"
    other.write_bytes(b"second")
    (job,) = _plan(other, teacher={"model": MLP, "weights": str(other)}).teachers
    assert job.key not in (first, second)


def test_of_a_students_directory_the_weights_count(tmp_path: Path) -> None:
    teacher = {"model": MLP, "weights": str(tmp_path)}
    spec = small_spec({"methods": KD, "teacher": teacher})
    assert fingerprints(spec, {}) == {}
    (tmp_path / "student.safetensors").write_bytes(b"weights")
    before = fingerprints(spec, {})
    (name,) = named_by(spec)
    assert list(before) == [name]
    assert described(name) == f"the file of a teacher's weights, {tmp_path},"
    (tmp_path / "student.json").write_text("{}")
    assert fingerprints(spec, {}) == before
    (tmp_path / "student.safetensors").write_bytes(b"others")
    assert fingerprints(spec, {}) != before


def test_it_is_a_cohort_of_its_own_that_trains_for_no_epoch(tmp_path: Path) -> None:
    both = [SMALL["teacher"], {"logits": "t.npy"}]
    plan = _plan(tmp_path, teacher=both)
    tasks = [teacher_cohort(jobs) for jobs in plan.teacher_cohorts]
    (given,) = [task for task in tasks if task.given]
    assert len(given.lanes) == 1
    assert given.spec.training.epochs == 0
    assert given.lanes[0].lane.hyperparameters == {"logits": "t.npy"}
    assert plan.teacher_networks(plan.cells[0])[1] == NO_NETWORK
    assert len(plan.teachers) == 2 * 4 + 1


@pytest.mark.parametrize("with_others", [False, True])
def test_the_plan_says_which_are_given(with_others: bool) -> None:
    given = {"logits": "t.npy"}
    teachers = [SMALL["teacher"], given] if with_others else given
    lines = describe(small_spec({"methods": KD, "teacher": teachers}))
    (line,) = [line for line in lines if line.startswith("teachers ")]
    count = 9 if with_others else 1
    assert line.startswith(f"teachers    {count}, of which t.npy is given and not trained")

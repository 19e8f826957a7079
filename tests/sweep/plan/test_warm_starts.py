"""Warm starts: from the spec to what students start from."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.commands.plan_text import describe
from sweep.errors import BadInput
from sweep.plan.plan import Plan, spec_hash
from sweep.plan.tasks import confirm_cohort, search_cohort, shortlist_cohort, teacher_cohort
from sweep.referee.referee import Referee
from sweep.smoke import smallest_of
from tests.sweep.specs import SMALL, small_spec
from tests.sweep.stage import MemoryTracker, Theatre, studies
from trainers.lanes.seeds import stream

WARM = {"epochs": 2, "lr": 0.01}
EPOCHS = {"field": "student.warm_start.epochs", "values": [1, 8]}
# A teacher that is trained as the warm start is.
ALIKE = {"teacher": {**SMALL["student"], "training": {"epochs": 2, "batch_size": 64}, "lr": 0.01}}


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec({"student.warm_start": WARM, **(changes or {})}))


def _keys(changes: Mapping[str, Any] | None = None) -> list[str]:
    return [job.key for job in _plan(changes).starts]


def test_absent_it_is_in_no_dump_and_no_hash() -> None:
    spec = small_spec()
    assert "warm_start" not in spec.model_dump(mode="json")["student"]
    assert spec_hash(spec) == "151d2448bb40"
    assert Plan(spec).starts == ()
    written = small_spec({"student.warm_start": WARM}).model_dump(mode="json")
    assert written["student"]["warm_start"] == WARM
    assert small_spec({"student.warm_start": None}) == spec


def test_all_rows_of_a_seed_and_condition_share_one() -> None:
    plan, without = _plan(), Plan(small_spec())
    assert len(plan.starts) == plan.budget().starts == 2 * 4
    assert plan.teachers == without.teachers
    assert plan.budget() == replace(
        without.budget(), starts=8, cohorts=without.budget().cohorts + 2
    )
    for seed in range(4):
        for rate in (0.0, 0.4):
            cells = [cell for cell in plan.cells if cell.condition.noise_rate == rate]
            assert len(cells) == 3
            assert len({plan.start_of(cell, seed) for cell in cells}) == 1
    assert any("starts      8 warm starts of students, 2 epochs" in line
               for line in describe(plan.spec))  # fmt: skip
    assert not any("starts  " in line for line in describe(without.spec))


def test_it_trains_as_students_do_on_labels_alone_and_leaves_its_last_epoch() -> None:
    plan = _plan({"student.training.schedule": "steps", "student.training.milestones": [1, 3],
                  "conditions.teacher_labels": ["clean"]})  # fmt: skip
    job = next(job for job in plan.starts if job.labels.noise_rate)
    task, student = teacher_cohort((job,)), plan.cells[0].spec.student_training()
    assert task.spec.method == "labels_only"
    assert task.spec.model == plan.spec.student.model.settings()
    assert task.spec.training == replace(student, epochs=2, milestones=(1,))
    assert task.spec.selection.epoch == "last"
    (lane,) = task.lanes
    assert lane.lane.hyperparameters == {"lr": 0.01, "weight_decay": 5e-4}
    assert lane.lane.seed == stream(job.seed, "warm start")
    assert not lane.source.is_teacher
    assert (lane.source.clean, lane.source.labels.noise_rate) == ("withhold", 0.4)


def test_its_key_is_a_content_key_and_no_teachers() -> None:
    plan = _plan(ALIKE)
    (teacher,) = {job for job in plan.teachers if job.seed == 1 and not job.labels.noise_rate}
    (start,) = {job for job in plan.starts if job.seed == 1 and not job.labels.noise_rate}
    assert teacher.network == start.network
    assert start.key == "start-0e61bad981cbf6eb-1"
    assert not {job.key for job in plan.teachers} & set(_keys())
    assert all(len({job.role for job in jobs}) == 1 for jobs in plan.teacher_cohorts)


def test_milestones_and_evaluations_that_it_does_not_reach_are_left_out() -> None:
    steps = {"student.training.schedule": "steps", "student.training.milestones": [3]}
    plan = _plan({**steps, "student.training.evaluate_every": 4})
    (training,) = {teacher_cohort((job,)).spec.training for job in plan.starts}
    assert (training.schedule, training.milestones) == ("constant", ())
    assert training.evaluate_every == 2


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("student.warm_start.epochs", 3),
        ("student.warm_start.lr", 0.02),
        ("student.warm_start.weight_decay", 0.0),
        ("student.training.batch_size", 32),
        ("student.model.hidden", [9]),
        ("data.splits.train", 0.3),
        ("seed", 100),
    ],
)
def test_it_is_another_where_something_it_depends_on_is(path: str, value: Any) -> None:
    assert not set(_keys()) & set(_keys({path: value}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("student.training.epochs", 9),
        ("student.warm_start.weight_decay", 5e-4),
        ("teacher.lr", 0.05),
        ("conditions.teacher_labels", ["clean"]),
        ("methods.0.clean", "train"),
        ("data.clean", 0.05),
        ("objective.selection", "last"),
    ],
)
def test_it_is_the_same_where_only_something_else_changes(path: str, value: Any) -> None:
    assert _keys({path: value}) == _keys()


def test_it_learns_from_what_is_dropped_no_more_than_students_do() -> None:
    steps, drop = {"student.training.steps": 5}, {"data.teacher_calls": 0.5}
    keep = {**drop, "data.unasked": "label"}
    assert set(_keys(steps)) == set(_keys({**steps, **keep}))
    assert not set(_keys(steps)) & set(_keys({**steps, **drop}))


def test_the_axis_makes_cells_of_their_own_in_either_form() -> None:
    by_label = {
        "none": {"student.warm_start": None},
        "short": {"student.warm_start.epochs": 1},
        "long": {"student.warm_start": {**WARM, "epochs": 8}},
    }
    listed = _plan({"conditions.vary": {"warm": EPOCHS}})
    named = _plan({"conditions.vary": {"warm": by_label}})
    for plan, epochs in ((listed, [1, 8]), (named, [0, 1, 8])):
        assert len(plan.cells) == len(epochs) * 2 * 3
        found = []
        for cell in plan.cells[:: 2 * 3]:
            job = plan.start_of(cell, 1)
            found.append(0 if job is None else job.epochs)
        assert found == epochs
    assert {job.key for job in listed.starts} == {job.key for job in named.starts}
    # Conditions stay apart: where all else is alike, each has a longer start than the one before.
    smallest = smallest_of(named.spec)
    assert {job.epochs for job in Plan(smallest).starts} == {1, 2}


def test_a_row_may_start_otherwise() -> None:
    cold = {"method": "fixed_kd", "label": "cold", "with": {"student.warm_start": None}}
    plan = _plan({"methods": [*SMALL["methods"], cold]})
    started = {cell.use.label: plan.start_of(cell, 0) is not None for cell in plan.cells}
    assert started == {"alm_kd": True, "fixed_kd": True, "cross_entropy": True, "cold": False}


@pytest.mark.parametrize("per_seed", [False, True])
def test_every_stage_starts_from_that_of_its_split(per_seed: bool) -> None:
    plan = _plan({"search.per_seed": per_seed, "confirm.seeds": 2})
    search, values = plan.searches[0], {"lr": 0.1}
    tasks = [
        search_cohort(plan, search, {0: values, 1: values}, 0),
        shortlist_cohort(plan, search, [(0, values, 0), (0, values, 1)]),
        confirm_cohort(plan, search, 0, values, search.confirmed),
    ]
    for task in tasks:
        for lane in task.lanes:
            job = plan.start_of(search.cell, lane.source.seed)
            assert job is not None
            assert lane.source.start == job.key
        assert len(task.starts) == len({lane.source.seed for lane in task.lanes})
        assert not set(task.starts) & set(task.teachers)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"student.warm_start": {"epochs": 0, "lr": 0.1}}, r"student\.warm_start\.epochs: 0"),
        ({"student.warm_start": {"epochs": 1}}, r"student\.warm_start\.lr"),
        ({"student.warm_start": {**WARM, "batch_size": 3}}, "warm_start.*batch_size"),
        ({"task": "incremental", "teacher": {"batch_norm": "frozen"},
          "methods": [{"method": "labels_only", "baseline": True}],
          "student.warm_start": WARM}, r"student\.warm_start: is trained on all classes"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(changes: Mapping[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        small_spec(changes)


def test_one_that_fails_takes_the_runs_of_its_seed_along(tmp_path: Path) -> None:
    plan = _plan({"conditions.noise_rate": [0.4], "confirm.seeds": 2})
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, tmp_path), tracker)
    lost = next(job for job in plan.starts if job.seed == 2)

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return float("nan") if lost.key in key else 50.0 + epoch

    Theatre(referee, curve).play()
    progress = referee.progress()
    assert progress.done["teachers"] == progress.planned["teachers"] == len(plan.jobs)
    assert progress.done["search"] == progress.planned["search"]
    assert progress.done["confirm"] == progress.planned["confirm"] - len(plan.cells)
    assert progress.failed_teachers[0].startswith(
        "warm start mlp (hidden 8) of seed 2, labels: 40 % symmetric noise: diverged in epoch 1"
    )


def test_those_at_hand_are_not_trained_again(tmp_path: Path) -> None:
    plan = _plan({"conditions.noise_rate": [0.4], "confirm.seeds": 1})
    tracker = MemoryTracker()
    there = [job.key for job in plan.starts]
    Referee(plan, studies(plan, tmp_path), tracker, there)
    assert tracker.completed("teacher") == [f"teacher/{key}" for key in there]

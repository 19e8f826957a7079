"""Light teachers: one for all labels, anew under every seed, beside real ones in one sweep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.adapters.mlflow.records import heard_teachers
from sweep.commands.plan_text import describe
from sweep.errors import BadInput
from sweep.inputs import load_data, refuse_unsound_code
from sweep.plan.plan import Plan
from sweep.plan.run_settings import run_settings
from sweep.plan.tasks import CohortTask, LaneOutcome, search_cohort, teacher_cohort
from sweep.referee.referee import Referee
from sweep.spec.reader import check_spec
from tests.sweep.specs import SMALL, small_data, small_spec
from tests.sweep.stage import MemoryTracker, studies, train_in_process
from trainers.loading import load_dataset
from trainers.settings import NO_NETWORK

LIGHT: Mapping[str, Any] = {
    "source": {"name": "digit_codes", "examples_per_class": 20},
    "model": {"name": "mlp", "hidden": [16]},
    "training": {"epochs": 3, "batch_size": 32},
    "lr": 0.05,
}
ROWS = [
    {"method": "fixed_kd", "baseline": True},
    {"method": "lw_kd", "with": {"teacher": LIGHT}},
    {
        "method": "alm_kd",
        "pin": {"warmup_epochs": 1, "update_every": 1},
        "with": {"teacher": LIGHT},
    },
]


def _plan(**changes: Any) -> Plan:
    return Plan(small_spec({"methods": ROWS, **changes}))


def test_one_serves_all_labels_and_rows_and_each_seed_has_its_own() -> None:
    plan = _plan()
    light = [job for job in plan.teachers if job.network.source]
    assert [job.seed for job in light] == [0, 1, 2, 3]
    assert len({job.key for job in light}) == 4
    heard = {
        plan.teachers_of(cell, 1) for cell in plan.cells if cell.use.label in ("lw_kd", "alm_kd")
    }
    assert len(heard) == 1
    assert len(plan.teachers) == 4 + 2 * 4


@pytest.mark.parametrize(
    "changes",
    [
        {"methods.1.with.teacher.source.noise": 0.5},
        {"methods.1.with.teacher.source.name": "blobs"},
        {"methods.1.with.teacher.model.hidden": [17]},
        {"methods.1.with.teacher.lr": 0.1},
        {"data.examples": 500},
    ],
)
def test_what_makes_it_is_in_its_key(changes: Mapping[str, Any]) -> None:
    def key(plan: Plan) -> str:
        cell = next(cell for cell in plan.cells if cell.use.label == "lw_kd")
        return plan.teachers_of(cell, 1)[0]

    assert key(_plan(**changes)) != key(_plan())


def test_keys_of_others_are_what_they_are_without_it() -> None:
    alone = Plan(small_spec({"methods": ROWS[:1]}))
    keys = {job.key for job in alone.teachers}
    assert keys == {job.key for job in _plan().teachers if not job.network.source}


def test_those_of_one_cohort_are_of_one_seed_and_learn_its_set() -> None:
    rows = [*ROWS, {"method": "fixed_kd", "label": "slow",
                    "with": {"teacher": {**LIGHT, "lr": 0.01}}}]  # fmt: skip
    plan = _plan(methods=rows)
    tasks = [task for jobs in plan.teacher_cohorts if (task := teacher_cohort(jobs)).source]
    assert [len(task.lanes) for task in tasks] == [2] * 4
    for task in tasks:
        assert task.source == plan.cells[1].spec.teacher[0].light_source
        assert len({lane.source.seed for lane in task.lanes}) == 1
        assert {lane.source.labels.noise_rate for lane in task.lanes} == {0.0}
        settings = run_settings(plan, task, task.lanes[0])
        assert settings["dataset"] == "digit_codes"


def test_folds_of_the_data_are_none_of_its_set() -> None:
    plan = _plan(**{"confirm": {"folds": 3}})
    jobs = [job for job in plan.teachers if job.network.source]
    assert all(job.fold is None for job in jobs)
    assert any(job.fold for job in plan.teachers)


def test_runs_and_plan_say_what_it_is() -> None:
    plan = _plan()
    cell = next(cell for cell in plan.cells if cell.use.label == "lw_kd")
    task = search_cohort(plan, plan.searches_of(cell)[0], {0: {}}, 0)
    assert task.teacher_networks == (NO_NETWORK,)
    settings = run_settings(plan, task, task.lanes[0])
    assert settings["teacher"] == "mlp hidden 16 on digit_codes"
    assert settings["teacher_labels"] == "their own"
    (job,) = plan.heard_by(cell, 1)
    assert str(job) == (
        "mlp (hidden 16) on digit_codes of seed 1, labels: those of its own examples, on which it "
        "is measured"
    )
    (line,) = [line for line in describe(plan.spec) if line.startswith("teachers ")]
    # 8 of the data's 1,797 examples, 4 of their own 200, ten classes, four bytes.
    assert f"{40 * (8 * 1797 + 4 * 200) / 1024:.0f} KiB" in line


def test_a_teacher_like_the_student_does_not_train_as_a_light_one() -> None:
    rows = [{"method": "born_again", "baseline": True}]
    light, usual = (
        Plan(small_spec({"methods": rows, "teacher": teacher}))
        for teacher in ({**LIGHT, "lr": 0.3}, {"model": SMALL["teacher"]["model"]})
    )
    assert [job.key for job in light.teachers] == [job.key for job in usual.teachers]


def test_its_network_has_to_take_the_images_of_its_source() -> None:
    conv = {"name": "resnet8"}
    good = _plan(**{"methods.1.with.teacher.model": conv})
    load_data(good)
    blobs = {**LIGHT, "source": {"name": "blobs"}, "model": conv}
    with pytest.raises(BadInput, match="resnet8"):
        load_data(_plan(**{"methods.1.with.teacher": blobs}))


def test_rows_with_a_light_and_a_real_teacher_run_to_their_end(tmp_path: Path) -> None:
    plan = _plan(**{
        "conditions.noise_rate": [0.4], "search.trials": 2, "search.generation": 2,
        "confirm.seeds": 1, "data.examples": 300,
    })  # fmt: skip
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, tmp_path), tracker)
    outcomes: dict[str, tuple[CohortTask, LaneOutcome]] = {}
    dataset = load_dataset(plan.spec.data_settings())
    for task, left in train_in_process(referee, dataset):
        outcomes.update({name: (task, outcome) for name, outcome in left.items()})
    assert not referee.progress().states.get("failed")
    light = [o for task, o in outcomes.values() if task.source]
    # Four fifths of 200.
    assert {outcome.trained_on for outcome in light} == {160}
    confirmed = [o for task, o in outcomes.values() if task.stage == "confirm"]
    assert len(confirmed) == 3
    assert all(np.isfinite(outcome.test["test_accuracy"]) for outcome in confirmed)


@pytest.mark.parametrize("teachers", [[LIGHT], [LIGHT, SMALL["teacher"]]])
def test_images_may_be_changed_which_real_teachers_are_shown(
    teachers: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    plan = _plan(**{
        "teacher": teachers, "methods": ROWS[:1], "data.augment": "crop_flip",
        "conditions.noise_rate": [0.4], "search.trials": 2, "search.generation": 2,
        "confirm.seeds": 1, "data.examples": 300,
    })  # fmt: skip
    referee = Referee(plan, studies(plan, tmp_path), MemoryTracker())
    for _, outcomes in train_in_process(referee, load_dataset(plan.spec.data_settings())):
        assert outcomes
    assert not referee.progress().states.get("failed")


@pytest.mark.parametrize("augment", ["none", "crop_flip"])
def test_code_of_the_users_own_is_checked_beside_it(augment: str) -> None:
    own = {"method": {"path": "tests.sweep.own_methods:Squared"}, "label": "mine"}
    rows = [{**own, "with": {"teacher": LIGHT}}, ROWS[0]]
    changes = {"methods": rows, "data.augment": augment}
    spec = check_spec(small_data(changes), "small", allow_code=True)
    refuse_unsound_code(Plan(spec))


def test_a_report_does_not_set_it_beside_the_plain_student() -> None:
    heard = heard_teachers(_plan(), {})
    found = {t.name: t.comparable for teachers in heard.values() for t in teachers}
    assert found == {"mlp (hidden 24)": True, "mlp (hidden 16) on digit_codes": False}

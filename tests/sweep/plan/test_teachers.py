"""Several teachers, snapshots, generations: from the spec to what students read."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, LaneOutcome, search_cohort, teacher_cohort
from sweep.referee.referee import Referee
from tests.sweep.specs import SMALL, small_spec
from tests.sweep.stage import MemoryTracker, Theatre, studies, train_in_process
from trainers.loading import load_dataset

SMALLER = {**SMALL["teacher"], "model": {"name": "mlp", "hidden": [12]}}
KD = [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}]
TINY: Mapping[str, Any] = {
    "methods": KD, "conditions.noise_rate": [0.4], "search.trials": 2, "search.generation": 2,
    "confirm.seeds": 1, "student.training.epochs": 2, "data.examples": 300,
}  # fmt: skip


def _plan(changes: Mapping[str, Any]) -> Plan:
    return Plan(small_spec({"methods": KD, **changes}))


def test_one_teacher_is_written_as_it_was_given() -> None:
    spec = small_spec()
    assert len(spec.teacher) == 1
    assert spec.model_dump(mode="json")["teacher"]["model"] == {"name": "mlp", "hidden": [24]}
    several = small_spec({"teacher": [SMALL["teacher"], SMALLER], "methods": KD})
    assert [t["model"]["hidden"] for t in several.model_dump(mode="json")["teacher"]] == [
        [24],
        [12],
    ]


def test_students_read_several_teachers_in_the_order_of_the_spec() -> None:
    plan = _plan({"teacher": [SMALL["teacher"], SMALLER]})
    names = plan.teachers_of(plan.cells[0], plan.search_seed)
    networks = {job.key: job.network.model.given["hidden"] for job in plan.teachers}
    assert [networks[name] for name in names] == [(24,), (12,)]
    assert [m.sizes["hidden"] for m in plan.teacher_networks(plan.cells[0])] == [(24,), (12,)]
    assert len(plan.teachers) == 2 * 2 * 4
    shapes = [{job.network.model.given["hidden"] for job in jobs} for jobs in plan.teacher_cohorts]
    assert all(len(shape) == 1 for shape in shapes)


def test_snapshots_are_teachers_of_one_training() -> None:
    plan = _plan({"teacher.snapshots": [1, 3]})
    (key,) = {job.key for job in plan.teachers if job.seed == 1 and job.labels.noise_rate == 0.4}
    assert plan.teachers_of(plan.cells[-1], 1) == (f"{key}@1", f"{key}@3")
    assert len(plan.teacher_networks(plan.cells[-1])) == 2
    task = teacher_cohort(plan.teacher_cohorts[0])
    assert task.snapshots == (1, 3)


def test_generations_come_one_after_the_other() -> None:
    plan = _plan({"teacher.generations": 3, "confirm.seeds": 1})
    chain = [job for job in plan.teachers if job.seed == 0 and not job.labels.noise_rate]
    assert [job.parent for job in chain] == ["", chain[0].key, chain[1].key]
    assert plan.teachers_of(plan.cells[0], 0) == (chain[2].key,)
    for number, jobs in enumerate(plan.teacher_cohorts[:3]):
        task = teacher_cohort(jobs)
        assert task.spec.method == ("born_again" if number else "labels_only")
        assert all(bool(lane.source.teachers) == bool(number) for lane in task.lanes)


def test_born_again_has_a_teacher_like_the_student() -> None:
    methods = [{"method": "born_again"}, {"method": "fixed_kd", "baseline": True}]
    plan = _plan({"methods": methods, "teacher": [SMALL["teacher"]]})
    born, fixed = (plan.teacher_networks(cell)[0].sizes["hidden"] for cell in plan.cells[:2])
    assert (born, fixed) == ((8,), (24,))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"teacher.snapshots": [3, 1]}, "teacher: snapshots .*must rise"),
        ({"teacher.snapshots": [4]}, "teacher: snapshots: there is no epoch 4"),
        ({"teacher.snapshots": [1], "teacher.generations": 2}, "teacher: snapshots: of gen"),
        ({"teacher.generations": 0}, r"teacher\.generations: 0"),
        ({"teacher.model.hidden": []}, r"teacher\.model\.hidden: \[\]"),
        ({"teacher": []}, "teacher: .*at least one"),
        ({"teacher": [SMALL["teacher"], {**SMALLER, "lr": 0.0}]}, r"teacher\.1\.lr: 0\.0"),
        ({"teacher.snapshots": [1, 2], "methods": [{"method": "wsld", "baseline": True}]},
         "methods: wsld: wsld reads one teacher, but there are 2"),
        ({"methods": [{"method": "ca_mkd", "baseline": True}]}, "reads two teachers or more"),
        ({"teacher.snapshots": [1, 2], "methods.0.pin": {"variant": "convex"}},
         "alm_kd: alm_kd variant: 'convex' mixes the label with one teacher"),
        ({"teacher.snapshots": [1, 2],
          "search.own": {"alm_kd": {"variant": {"choices": ["box", "convex"]}}}},
         r"search\.own\.alm_kd\.variant: 'convex' knows one teacher alone"),
    ],
)  # fmt: skip
def test_teachers_that_do_not_fit_are_refused(changes: Mapping[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        small_spec({"methods": KD, **changes})


def test_variants_for_one_teacher_are_not_searched_with_several() -> None:
    several = _plan({"teacher.snapshots": [1, 2]})
    assert str(several.cells[0].space["variant"]) == "{box}"
    assert str(_plan({}).cells[0].space["variant"]) == "{convex, box}"


def _run(changes: Mapping[str, Any], folder: Path) -> tuple[MemoryTracker, list[CohortTask]]:
    plan = Plan(small_spec({**TINY, **changes}))
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, folder), tracker)
    dataset = load_dataset(plan.spec.data_settings())
    tasks = [task for task, outcomes in train_in_process(referee, dataset) if outcomes]
    progress = referee.progress()
    assert progress.done == progress.planned
    return tracker, tasks


@pytest.mark.parametrize(
    "changes",
    [
        {"teacher": [SMALL["teacher"], SMALLER]},
        {"teacher.snapshots": [1, 2, 3]},
        {"teacher.generations": 3},
        {"teacher.snapshots": [2, 3], "data.augment": "crop_flip"},
        {"teacher.generations": 2, "data.augment": "crop_flip"},
    ],
)
def test_sweep_with_such_teachers_runs_to_its_end(
    changes: Mapping[str, Any], tmp_path: Path
) -> None:
    tracker, tasks = _run(changes, tmp_path)
    assert all(run.states[-1] in ("complete", "pruned") for run in tracker.runs.values())
    students = [task for task in tasks if task.stage != "teacher"]
    assert all(len(lane.source.teachers) == len(t.teacher_networks) for t in students
               for lane in t.lanes)  # fmt: skip


def test_confirm_runs_keep_what_is_known_of_their_examples(tmp_path: Path) -> None:
    tracker, _ = _run({}, tmp_path)
    assert not any(run.examples for run in tracker.of("search").values())
    for key, run in tracker.of("confirm").items():
        n = len(run.examples["row"])
        assert np.mean(run.examples["label"] != run.examples["true_label"]) == round(0.4 * n) / n
        assert ("lambda" in run.examples) == ("alm_kd" in key)
        if "lambda" in run.examples:
            assert run.examples["lambda"].shape == (n, 2)


def test_a_generation_that_fails_takes_only_its_heirs_along(tmp_path: Path) -> None:
    plan = _plan({"teacher.generations": 3, "confirm.seeds": 2})
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, tmp_path), tracker)
    lost = next(job for job in plan.teachers if job.seed == 2 and job.labels.noise_rate)

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return float("nan") if lost.key in key else 50.0 + epoch

    Theatre(referee, curve).play()
    progress = referee.progress()
    assert progress.done["teachers"] == progress.planned["teachers"]
    failed = [key for key, run in tracker.of("teacher").items() if run.states[-1] == "failed"]
    assert failed == [f"teacher/{lost.key}"]
    assert progress.done["search"] == progress.planned["search"]
    assert progress.done["confirm"] == progress.planned["confirm"] - 2
    assert len(tracker.of("teacher")) == len(plan.teachers) - 2
    which = "teacher mlp (hidden 24) of seed 2, labels: 40 % symmetric noise: "
    told = progress.failed_teachers
    assert told[0].startswith(f"{which}diverged in epoch 1")
    assert all(line.startswith(f"{which}the generation before failed: ") for line in told[1:])
    assert len(told) == 3


def test_search_of_several_teachers_names_them_in_every_lane() -> None:
    plan = _plan({"teacher.snapshots": [1, 2]})
    task = search_cohort(plan, plan.searches[0], {0: {}, 1: {}}, 0)
    assert len(task.teachers) == 2
    assert {lane.source.teachers for lane in task.lanes} == {plan.teachers_of(plan.cells[0], 0)}
    assert LaneOutcome(1, 1, {}).examples == {}

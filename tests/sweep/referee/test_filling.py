"""Which searches share a cohort, and that this changes nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweep.adapters.optuna.studies import OptunaStudies
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, teacher_run
from sweep.referee.referee import Referee
from tests.sweep.specs import small_spec
from tests.sweep.stage import (
    MemoryTracker,
    Theatre,
    assert_same_runs,
    histories,
    studies,
    train_in_process,
)
from trainers.loading import load_dataset

ROWS = [{"method": "fixed_kd", "baseline": True}, {"method": "labels_only"}]
# More processes than a sweep has lanes.
MANY = 1000


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec({"methods": ROWS, **(changes or {})}))


def _tasks(plan: Plan, folder: Path, slots: int, seed: int = 0) -> list[CohortTask]:
    """Every cohort of students of a sweep."""
    tasks: list[CohortTask] = []

    class Watching(MemoryTracker):
        def open(self, task: CohortTask) -> None:
            super().open(task)
            if task.searches:
                tasks.append(task)

    Theatre(Referee(plan, studies(plan, folder), Watching()), slots=slots, seed=seed).play()
    return tasks


def _searches(tasks: list[CohortTask], stage: str) -> list[tuple[str, ...]]:
    return [task.searches for task in tasks if task.stage == stage]


def test_cells_of_a_method_share_cohorts_whatever_their_condition(tmp_path: Path) -> None:
    tasks = _tasks(_plan(), tmp_path, slots=1)
    pairs = [tuple(f"symmetric-{rate}-noisy/{row['method']}" for rate in ("0", "0.4"))
             for row in ROWS]  # fmt: skip
    # Two generations of each, and their confirm runs.
    assert sorted(_searches(tasks, "search")) == sorted([*pairs, *pairs])
    assert sorted(_searches(tasks, "confirm")) == sorted(pairs)
    for task in tasks:
        counts = {s: sum(lane.search == s for lane in task.lanes) for s in task.searches}
        assert set(counts.values()) == {3}


def test_seeds_with_searches_of_their_own_share_cohorts(tmp_path: Path) -> None:
    first, *_ = _tasks(_plan({"search.per_seed": True}), tmp_path, slots=1)
    # Three seeds under two noise rates.
    assert len(first.searches) == 6
    # Those of the first one's seed have inputs in common, and come first.
    assert [name.rpartition("-")[2] for name in first.searches[:2]] == ["1", "1"]


def test_every_process_has_something_to_do(tmp_path: Path) -> None:
    assert {len(task.searches) for task in _tasks(_plan(), tmp_path, slots=MANY)} == {1}


def test_lanes_that_train_already_count(tmp_path: Path) -> None:
    """12 lanes wait for two processes: the first takes 6, which is what one method has; the second
    may then take 6, and not half of those that are left."""
    plan = _plan()
    teachers = [job.key for job in plan.jobs]
    referee = Referee(plan, studies(plan, tmp_path), MemoryTracker(), teachers)
    found = [referee.next_cohort(2) for _ in range(2)]
    assert [len(task.lanes) for task in found if isinstance(task, CohortTask)] == [6, 6]
    assert referee.next_cohort(2) == "wait"


def test_no_more_than_pays_or_the_spec_allows(tmp_path: Path) -> None:
    changes = {"search.per_seed": True, "resources.max_lanes": 7}
    tasks = _tasks(_plan(changes), tmp_path, slots=1)
    assert max(len(task.lanes) for task in tasks) == 6
    assert {len(task.searches) for task in tasks if task.stage == "search"} == {2}


@pytest.mark.parametrize(
    "changes",
    [
        {"resources.trial_timeout_s": 60},
        {"resources.cpus": 2},
        {"conditions.vary": {"width": {"4": {"student.model.hidden": [4]},
                                      "8": {"student.model.hidden": [8]}}},
         "conditions.noise_rate": [0.4]},
        {"conditions.vary": {"clean": {"field": "data.clean", "values": [0.05, 0.1]}},
         "conditions.noise_rate": [0.4],
         "methods": [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True,
                                            "clean": "train"}]},
        {"conditions.noise_rate": [0.4],
         "methods": [{"method": "fixed_kd", "baseline": True},
                     {"method": "fixed_kd", "label": "hot", "pin": {"temperature": 8.0}}]},
        {"student.model": {"name": "resnet8"}},
    ],
    ids=["time-limit", "threads", "networks", "splits", "pins", "in-turn"],
)  # fmt: skip
def test_what_does_not_train_alike_stays_apart(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    tasks = _tasks(_plan(changes), tmp_path, slots=1)
    assert {len(task.searches) for task in tasks} == {1}


@pytest.mark.parametrize(
    "changes",
    [
        {"resources.trial_timeout_s": 60},
        {"resources.cpus": 2},
        {"student.model": {"name": "resnet8"}},
    ],
    ids=["time-limit", "threads", "in-turn"],
)
def test_nor_do_the_seeds_of_a_cell_share_what_no_cell_shares(
    tmp_path: Path, changes: Mapping[str, Any]
) -> None:
    tasks = _tasks(_plan({**changes, "search.per_seed": True}), tmp_path, slots=1)
    assert {len(task.searches) for task in tasks} == {1}


@pytest.mark.parametrize(("slots", "seed"), [(1, 0), (2, 1), (3, 2)])
def test_studies_are_the_same_as_of_searches_that_train_alone(
    tmp_path: Path, slots: int, seed: int
) -> None:
    found = []
    for number in (slots, MANY):
        (tmp_path / str(number)).mkdir()
        plan, kept = _plan(), studies(_plan(), tmp_path / str(number))
        Theatre(Referee(plan, kept, MemoryTracker()), slots=number, seed=seed).play()
        found.append(histories(plan, kept))
    assert found[0] == found[1]
    assert any(trial.state == "pruned" for trials in found[0].values() for trial in trials)


def test_every_number_is_the_same_as_of_searches_that_train_alone(tmp_path: Path) -> None:
    """Real training: curves, prunings, tests and tables of examples, bit for bit."""
    plan = Plan(small_spec({"search.per_seed": True, "confirm.seeds": 2}))
    dataset = load_dataset(plan.spec.data_settings())
    found, most = [], []
    for slots in (1, MANY):
        (tmp_path / str(slots)).mkdir()
        tracker = MemoryTracker()
        referee = Referee(plan, studies(plan, tmp_path / str(slots)), tracker)
        tasks = [task for task, _ in train_in_process(referee, dataset, slots)]
        most.append(max(len(task.searches) for task in tasks))
        found.append(tracker.runs)
    assert most == [4, 1]
    assert_same_runs(*found)
    assert any(run.states[-1] == "pruned" for run in found[0].values())


def test_a_lane_that_raises_splits_no_generation_but_its_own(tmp_path: Path) -> None:
    plan = _plan({"search.per_seed": True})
    teachers = [job.key for job in plan.jobs]
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, tmp_path), tracker, teachers)
    task = referee.next_cohort()
    assert isinstance(task, CohortTask)
    bad = task.lanes[4]
    waiting, whole = [task], []
    while waiting:
        tried = waiting.pop()
        if bad in tried.lanes:
            referee.failed(tried.id, "boom")
            if len(tried.lanes) > 1:
                halves = [referee.next_cohort(), referee.next_cohort()]
                waiting += [half for half in halves if isinstance(half, CohortTask)]
        else:
            whole.append(tried)
    assert tracker.runs[bad.key].states == ["running", "failed"]
    for search in task.searches:
        parts = [sum(lane.search == search for lane in t.lanes) for t in whole]
        assert sorted(filter(None, parts)) == ([1, 1] if search == bad.search else [3])


def test_what_one_checkpoint_holds_is_taken_up_together_and_nothing_with_it(
    tmp_path: Path,
) -> None:
    plan = _plan({"search.per_seed": True})
    teachers = [job.key for job in plan.jobs]
    before = Referee(plan, studies(plan, tmp_path), MemoryTracker(), teachers)
    task = before.next_cohort(4)
    assert isinstance(task, CohortTask)
    # All 36 lanes over 4 processes: 9 of the 18 that train alike.
    assert len(task.searches) == 3
    begun = [frozenset(lane.key for lane in task.lanes)]
    after = Referee(plan, studies(plan, tmp_path), MemoryTracker(), teachers, {}, begun)
    found = [after.next_cohort() for _ in range(3)]
    tasks = [task for task in found if isinstance(task, CohortTask)]
    # That one, the others that train alike, and those of the other method.
    assert sorted(len(task.searches) for task in tasks) == [3, 3, 6]
    assert begun[0] in [frozenset(lane.key for lane in task.lanes) for task in tasks]


def test_reports_are_sent_at_once_where_any_search_is_judged(tmp_path: Path) -> None:
    class Judging(OptunaStudies):
        def judged_from(self, search: str) -> float:
            return 2.0 if search.endswith("0.4-noisy/fixed_kd") else 9.0

    plan = _plan({"methods": ROWS[:1]})
    kept = Judging(plan, str(tmp_path / "journal"))
    referee = Referee(plan, kept, MemoryTracker(), [job.key for job in plan.jobs])
    task = referee.next_cohort()
    assert isinstance(task, CohortTask)
    assert len(task.searches) == 2
    assert referee.judged_from(task.id) == 2.0
    kept.close()


def test_teachers_share_cohorts_and_are_spread_over_the_processes(tmp_path: Path) -> None:
    plan = _plan({"confirm.seeds": 5})
    # Of two noise rates: 2 for the search, 10 for confirm runs.
    for slots, sizes in ((1, [2, 8, 2]), (3, [2, 4, 4, 2]), (MANY, [1] * 12)):
        referee = Referee(plan, studies(plan, tmp_path), MemoryTracker())
        found = [referee.next_cohort(slots) for _ in sizes]
        assert [len(t.lanes) for t in found if isinstance(t, CohortTask)] == sizes


def test_teachers_of_one_checkpoint_are_taken_up_together(tmp_path: Path) -> None:
    plan = _plan({"confirm.seeds": 5})
    first, second = plan.teacher_cohorts[1][2:5], plan.teacher_cohorts[1][5:7]
    begun = [frozenset(map(teacher_run, jobs)) for jobs in (first, second)]
    referee = Referee(plan, studies(plan, tmp_path), MemoryTracker(), (), {}, begun)
    found = [referee.next_cohort() for _ in range(5)]
    held = [{lane.key for lane in task.lanes} for task in found if isinstance(task, CohortTask)]
    assert sorted(map(len, held)) == [2, 2, 2, 3, 3]
    assert all(keys in held for keys in begun)

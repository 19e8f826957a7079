"""A search of its own for every confirm seed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask
from sweep.referee.referee import Referee
from tests.sweep.specs import small_spec
from tests.sweep.stage import MemoryTracker, Theatre, histories, made_up, studies

CELL = "symmetric-0.4-noisy/fixed_kd"
PER_SEED = {
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}, {"method": "labels_only"}],
    "search.per_seed": True,
    "search.shortlist": {"configurations": 2, "seeds": 2},
}


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec({**PER_SEED, **(changes or {})}))


def _referee(plan: Plan, folder: Path, tracker: MemoryTracker) -> Referee:
    teachers = [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")]
    return Referee(plan, studies(plan, folder), tracker, teachers, tracker.ended())


class Watching(MemoryTracker):
    """Remembers cohorts too."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[CohortTask] = []

    def open(self, task: CohortTask) -> None:
        super().open(task)
        self.tasks.append(task)


def _played(plan: Plan, folder: Path) -> Watching:
    tracker = Watching()
    referee = _referee(plan, folder, tracker)
    Theatre(referee, slots=3, seed=1).play()
    progress = referee.progress()
    assert progress.done == progress.planned
    return tracker


def test_every_seed_searches_confirms_and_names_for_itself(tmp_path: Path) -> None:
    plan = _plan()
    tracker = _played(plan, tmp_path)
    assert set(histories(plan, studies(plan, tmp_path))) == {
        f"symmetric-0.4-noisy/{row}/seed-{seed}"
        for row in ("fixed_kd", "labels_only")
        for seed in (1, 2, 3)
    }
    assert f"{CELL}/seed-2/trial/5" in tracker.of("search")
    assert len(tracker.of("search")) == 2 * 3 * 6
    confirmed = [key for key in tracker.of("confirm") if key.startswith(CELL)]
    assert sorted(key.split("/")[2] for key in confirmed) == ["seed-1", "seed-2", "seed-3"]
    assert all(key.split("/")[2] == f"seed-{key.rsplit('/', 1)[1]}" for key in confirmed)


def test_split_noise_and_teacher_are_the_seeds_and_the_final_training_is_none_of_its_trials(
    tmp_path: Path,
) -> None:
    plan = _plan()
    finals: dict[int, set[int]] = {}
    for task in _played(plan, tmp_path).tasks:
        for lane in task.lanes:
            if not lane.search:
                continue
            search = plan.search(lane.search)
            seed = search.seed
            assert lane.source.seed == seed
            assert set(lane.source.teachers) == set(plan.teachers_of(search.cell, seed))
            if task.stage == "search":
                assert lane.lane.seed == seed
            else:
                assert lane.lane.seed >= 2**63
            if task.stage == "confirm":
                finals.setdefault(seed, set()).add(lane.lane.seed)
    # The same first weights and batches for every method, and others in every seed.
    assert all(len(seeds) == 1 for seeds in finals.values())
    assert len(set.union(*finals.values())) == len(finals) == 3


def test_no_teacher_is_trained_for_a_seed_that_nobody_confirms() -> None:
    assert {job.seed for job in _plan().teachers} == {1, 2, 3}
    assert {job.seed for job in _plan({"search.per_seed": False}).teachers} == {0, 1, 2, 3}


def test_searches_of_two_seeds_propose_other_configurations(tmp_path: Path) -> None:
    plan = _plan()
    tracker = _played(plan, tmp_path)
    kept = histories(plan, studies(plan, tmp_path))
    ones = [[t.params["lr"] for t in kept[f"{CELL}/seed-{seed}"]] for seed in (1, 2)]
    assert not set(ones[0]) & set(ones[1])
    assert len(tracker.of("shortlist")) == 2 * 3 * 2 * 2


def test_row_without_a_search_is_confirmed_with_the_same_streams(tmp_path: Path) -> None:
    pinned = {"method": "fixed_kd", "label": "pinned", "pin": {
        "alpha": 0.5, "lr": 0.1, "temperature": 4.0}}  # fmt: skip
    plan = _plan({"methods": [{"method": "fixed_kd", "baseline": True}, pinned]})
    seeds: dict[str, dict[int, int]] = {}
    for task in _played(plan, tmp_path).tasks:
        if task.stage == "confirm":
            for lane in task.lanes:
                cell = plan.search(lane.search).cell.id
                seeds.setdefault(cell, {})[lane.source.seed] = lane.lane.seed
    (first, second) = seeds.values()
    assert first == second
    assert set(first) == {1, 2, 3}


def test_interleaving_changes_nothing(tmp_path: Path) -> None:
    plan = _plan()
    found = []
    for slots in (1, 4):
        folder = tmp_path / str(slots)
        folder.mkdir()
        tracker = MemoryTracker()
        Theatre(_referee(plan, folder, tracker), made_up, slots=slots, seed=slots).play()
        found.append({key: run.last for key, run in tracker.runs.items()})
    assert found[0] == found[1]


def test_more_seeds_add_searches_and_leave_those_that_are_there(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    Theatre(_referee(_plan(), tmp_path, tracker)).play()
    before = {key: list(run.states) for key, run in tracker.of("search").items()}
    Theatre(_referee(_plan({"confirm.seeds": 4}), tmp_path, tracker)).play()
    after = tracker.of("search")
    assert {key: list(after[key].states) for key in before} == before
    assert {key.split("/")[2] for key in set(after) - set(before)} == {"seed-4"}

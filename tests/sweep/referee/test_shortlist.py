"""The shortlist: the best few configurations tried again, and the best mean confirmed."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask
from sweep.referee.referee import Referee
from tests.sweep.specs import small_spec
from tests.sweep.stage import Curve, MemoryTracker, Theatre, made_up, studies

CELL = "symmetric-0.4-noisy/fixed_kd"
ONE_CELL = {
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}],
    "search.pruner": {"name": "none"},
    "search.shortlist": {"configurations": 2, "seeds": 3},
}


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec({**ONE_CELL, **(changes or {})}))


def _referee(plan: Plan, folder: Path, tracker: MemoryTracker) -> Referee:
    teachers = [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")]
    return Referee(plan, studies(plan, folder), tracker, teachers, tracker.ended())


def _ranked(key: str, number: int) -> bool:
    return key.startswith(f"{CELL}/trial/{number}") or f"/shortlist/{number}/" in key


def _curve(levels: Mapping[int, tuple[float, float]]) -> Curve:
    """Trial -> its value in the search, and on every stream; other trials are far below."""

    def value(key: str, values: Mapping[str, object], epoch: int) -> float:
        for number, (searched, again) in levels.items():
            if key == f"{CELL}/trial/{number}":
                return searched
            if f"/shortlist/{number}/" in key:
                return again
        return 10.0

    return value


def _play(plan: Plan, folder: Path, curve: Curve = made_up) -> MemoryTracker:
    tracker = MemoryTracker()
    Theatre(_referee(plan, folder, tracker), curve).play()
    return tracker


def test_best_mean_over_the_streams_is_confirmed(tmp_path: Path) -> None:
    lucky_and_steady = {3: (95.0, 60.0), 5: (93.0, 92.0)}
    tracker = _play(_plan(), tmp_path, _curve(lucky_and_steady))
    assert set(tracker.of("shortlist")) == {
        f"{CELL}/shortlist/{trial}/{stream}" for trial in (3, 5) for stream in (1, 2, 3)
    }
    assert set(tracker.of("confirm")) == {f"{CELL}/confirm/5/{seed}" for seed in (1, 2, 3)}


def test_without_a_shortlist_the_best_value_is_confirmed(tmp_path: Path) -> None:
    plan = _plan({"search.shortlist": "none"})
    tracker = _play(plan, tmp_path, _curve({3: (95.0, 60.0), 5: (93.0, 92.0)}))
    assert not tracker.of("shortlist")
    assert set(tracker.of("confirm")) == {f"{CELL}/confirm/3/{seed}" for seed in (1, 2, 3)}


def test_stream_that_diverges_rules_its_configuration_out(tmp_path: Path) -> None:
    steady = _curve({3: (95.0, 94.0), 5: (93.0, 70.0)})

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return math.nan if key.endswith("/shortlist/3/2") else steady(key, values, epoch)

    tracker = _play(_plan(), tmp_path, curve)
    assert tracker.runs[f"{CELL}/shortlist/3/2"].states[-1] == "failed"
    assert {key.split("/")[-2] for key in tracker.of("confirm")} == {"5"}


def test_cell_whose_shortlist_diverges_is_not_confirmed(tmp_path: Path) -> None:
    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return math.nan if key.endswith("/1") and "/shortlist/" in key else made_up(key, values, 1)

    plan, tracker = _plan(), MemoryTracker()
    referee = _referee(plan, tmp_path, tracker)
    Theatre(referee, curve).play()
    assert not tracker.of("confirm")
    assert referee.progress().done["shortlist"] == referee.progress().planned["shortlist"] == 6


def test_equal_configurations_stand_on_it_once(tmp_path: Path) -> None:
    space = {
        "methods": [{"method": "fixed_kd", "baseline": True, "pin": {"alpha": 0.5, "lr": 0.1}}],
        "search.shared": {"temperature": {"choices": [2.0]}},
    }
    plan, tracker = _plan(space), MemoryTracker()
    referee = _referee(plan, tmp_path, tracker)
    assert referee.progress().planned["shortlist"] == 6
    Theatre(referee, made_up).play()
    assert len(tracker.of("shortlist")) == 3
    assert referee.progress().planned["shortlist"] == 3
    assert len(tracker.of("confirm")) == 3


def _lanes(plan: Plan, folder: Path) -> list[CohortTask]:
    """Every cohort that a sweep trains."""
    tasks: list[CohortTask] = []

    class Watching(MemoryTracker):
        def open(self, task: CohortTask) -> None:
            super().open(task)
            tasks.append(task)

    Theatre(_referee(plan, folder, Watching())).play()
    return tasks


def test_streams_keep_the_split_of_the_search_and_are_no_confirm_seed(tmp_path: Path) -> None:
    rows = [{"method": "fixed_kd", "baseline": True}, {"method": "labels_only"}]
    plan = _plan({"methods": rows, "seed": 2**32 - 1, "confirm.seeds": 4})
    lanes = [
        (task.stage, lane.search, lane)
        for task in _lanes(plan, tmp_path)
        for lane in task.lanes
        if lane.search
    ]
    streams: dict[tuple[str, str], set[int]] = {}
    for stage, search, lane in lanes:
        if stage == "shortlist":
            assert lane.source.seed == plan.search_seed
            assert lane.lane.seed > max(plan.confirm_seeds)
            trial = lane.key.split("/")[-2]
            streams.setdefault((search, trial), set()).add(lane.lane.seed)
        else:
            assert lane.lane.seed == lane.source.seed
    assert len(streams) == 4
    assert len({frozenset(seeds) for seeds in streams.values()}) == 1
    assert {len(seeds) for seeds in streams.values()} == {3}


@pytest.mark.parametrize("ended", range(0, 7))
def test_broken_off_in_the_shortlist_it_goes_on_to_the_same_end(tmp_path: Path, ended: int) -> None:
    plan = _plan({"resources.max_lanes": 3, "search.trials": 3, "search.generation": 3})
    (tmp_path / "whole").mkdir()
    whole = _play(plan, tmp_path / "whole")
    tracker = MemoryTracker()
    broken = Theatre(_referee(plan, tmp_path, tracker))
    while broken.referee.progress().done["shortlist"] < ended:
        broken.play(1)
    Theatre(_referee(plan, tmp_path, tracker)).play()
    assert set(tracker.runs) == set(whole.runs)
    for key, run in tracker.runs.items():
        if run.stage != "teacher":
            assert (run.states[-1], run.last) == (whole.runs[key].states[-1], whole.runs[key].last)
            assert run.states.count("complete") == 1


def test_longer_search_leaves_what_fell_off_the_shortlist_behind(tmp_path: Path) -> None:
    tracker = MemoryTracker()
    first = _curve({0: (90.0, 90.0), 1: (80.0, 80.0), 7: (95.0, 95.0)})
    Theatre(_referee(_plan(), tmp_path, tracker), first).play()
    assert {key.split("/")[-2] for key in tracker.of("confirm")} == {"0"}
    before = dict(tracker.of("shortlist"))
    Theatre(_referee(_plan({"search.trials": 9}), tmp_path, tracker), first).play()
    assert {key.split("/")[-2] for key in tracker.of("confirm")} == {"0", "7"}
    new = set(tracker.of("shortlist")) - set(before)
    assert {key.split("/")[-2] for key in new} == {"7"}

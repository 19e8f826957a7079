"""Searches that end because their time is over: all with as many trials, and what follows done."""

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweep.plan.plan import Plan
from sweep.plan.search_end import FIELD, OPTION, SearchEnd
from sweep.referee.referee import Referee
from sweep.referee.time_limit import Deadline, TimeLimit
from tests.sweep.specs import small_spec
from tests.sweep.stage import MemoryTracker, Theatre, histories, made_up, studies

CHANGES = {"search.trials": 12, "search.shortlist": {"configurations": 2, "seeds": 2}}


class Clock:
    """Goes on by a second with every epoch of a lane."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def curve(self, key: str, values: Mapping[str, object], epoch: int) -> float:
        self.now += 1
        return made_up(key, values, epoch)


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec({**CHANGES, **(changes or {})}))


def _referee(plan: Plan, folder: Path, tracker: MemoryTracker, limit: TimeLimit) -> Referee:
    teachers = [key.rsplit("/", 1)[1] for key in tracker.completed("teacher")]
    return Referee(plan, studies(plan, folder), tracker, teachers, tracker.ended(), (), limit)


def _asked(tracker: MemoryTracker) -> Counter[str]:
    """Trials by search."""
    return Counter(key.partition("/trial/")[0] for key in tracker.of("search"))


@pytest.mark.parametrize(("slots", "seed"), [(1, 0), (4, 1), (8, 2)])
@pytest.mark.parametrize("per_seed", [False, True])
def test_all_cells_have_as_many_trials_and_are_confirmed(
    tmp_path: Path, slots: int, seed: int, per_seed: bool
) -> None:
    plan, clock, tracker = _plan({"search.per_seed": per_seed}), Clock(), MemoryTracker()
    limit = TimeLimit(60 * len(plan.searches) / 6, clock=clock)
    referee = _referee(plan, tmp_path, tracker, limit)
    Theatre(referee, clock.curve, slots, seed).play()
    end = tracker.search_end
    assert end is not None
    assert (end.planned, end.limit) == (12, FIELD)
    assert end.trials in (3, 6, 9)
    assert _asked(tracker) == {search.id: end.trials for search in plan.searches}
    progress = referee.progress()
    assert progress.done == progress.planned
    assert progress.done["search"] == end.trials * len(plan.searches)
    assert progress.done["confirm"] == plan.budget().confirm_runs
    assert progress.search_end == end


def test_what_was_asked_is_that_of_a_sweep_that_plans_no_more(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    kept = studies(plan, tmp_path)
    limit = TimeLimit(60, clock=clock)
    Theatre(Referee(plan, kept, tracker, (), {}, (), limit), clock.curve, slots=3).play()
    end = tracker.search_end
    assert end is not None
    short = _plan({"search.trials": end.trials})
    (tmp_path / "short").mkdir()
    planned, whole = studies(short, tmp_path / "short"), MemoryTracker()
    Theatre(Referee(short, planned, whole)).play()
    assert histories(plan, kept) == histories(short, planned)
    assert {key: run.last for key, run in tracker.runs.items()} == {
        key: run.last for key, run in whole.runs.items()
    }


def test_no_search_is_ended_before_its_first_generation(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    limit = TimeLimit(None, Deadline(1.0, clock.now), clock=clock)
    Theatre(_referee(plan, tmp_path, tracker, limit), clock.curve).play()
    assert tracker.search_end == SearchEnd(3, 12, OPTION, 1.0)
    assert set(_asked(tracker).values()) == {3}
    assert len(tracker.completed("confirm")) == plan.budget().confirm_runs


def test_time_that_is_over_after_the_last_trial_leaves_nothing_out(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    limit = TimeLimit(1e6, clock=clock)
    Theatre(_referee(plan, tmp_path, tracker, limit), clock.curve).play()
    assert tracker.search_end is None
    assert set(_asked(tracker).values()) == {12}


def test_time_begins_with_the_first_trials_and_not_with_the_teachers(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    limit = TimeLimit(1e6, clock=clock)
    clock.now += 1e9
    assert limit.over() is None
    Theatre(_referee(plan, tmp_path, tracker, limit), clock.curve).play()
    assert set(_asked(tracker).values()) == {12}


def test_a_cell_whose_teacher_failed_keeps_no_other_from_its_trials(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    without = plan.teachers[0].key

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        return math.nan if key.endswith(without) else clock.curve(key, values, epoch)

    limit = TimeLimit(20, clock=clock)
    Theatre(_referee(plan, tmp_path, tracker, limit), curve).play()
    asked = _asked(tracker)
    assert len(asked) == 4
    assert set(asked.values()) == {3}


def test_a_launch_after_a_kill_goes_on_from_where_the_searches_ended(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    theatre = Theatre(
        _referee(plan, tmp_path, tracker, TimeLimit(60, clock=clock)), clock.curve, slots=4
    )
    while tracker.search_end is None:
        theatre.play(1)
    ended = tracker.search_end
    theatre.referee.interrupt()
    clock.now = -1e9  # as if no time had passed
    again = TimeLimit(1e12, end=ended, clock=clock)
    Theatre(_referee(plan, tmp_path, tracker, again), clock.curve).play()
    assert tracker.search_end == ended
    assert set(_asked(tracker).values()) == {ended.trials}
    assert len(tracker.completed("confirm")) == plan.budget().confirm_runs


def test_a_launch_without_a_limit_comes_to_what_none_had_ever_had(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    limit = TimeLimit(None, Deadline(60, clock.now + 60), clock=clock)
    Theatre(_referee(plan, tmp_path, tracker, limit), clock.curve).play()
    assert tracker.search_end is not None
    Theatre(_referee(plan, tmp_path, tracker, TimeLimit()), clock.curve).play()
    (tmp_path / "whole").mkdir()
    whole = MemoryTracker()
    Theatre(_referee(plan, tmp_path / "whole", whole, TimeLimit())).play()
    assert set(whole.runs) <= set(tracker.runs)
    students = {key: run for key, run in whole.runs.items() if run.stage != "teacher"}
    assert all(tracker.runs[key].last == run.last for key, run in students.items())


def test_an_end_holds_for_the_limit_that_set_it() -> None:
    ended = SearchEnd(8, 12, FIELD, 60.0)
    assert ended.holds_for(_plan({"search.timeout": 60}).spec)
    assert not ended.holds_for(_plan({"search.timeout": "2m"}).spec)
    assert not ended.holds_for(_plan().spec)
    assert not ended.holds_for(_plan({"search.timeout": 60, "search.trials": 24}).spec)
    assert SearchEnd(8, 12, OPTION, 60.0).holds_for(_plan({"search.timeout": "2m"}).spec)


def test_a_trial_that_takes_too_long_fails_with_that_reason(tmp_path: Path) -> None:
    plan, clock, tracker = _plan(), Clock(), MemoryTracker()
    theatre = Theatre(_referee(plan, tmp_path, tracker, TimeLimit()), clock.curve)
    while not tracker.of("search"):
        theatre.play(1)
    (trainer,) = theatre.flying
    lanes = set(trainer.live)
    theatre.referee.overdue(trainer.task.id, 30.0)
    theatre.play()
    failed = {k: run for k, run in tracker.of("search").items() if run.states[-1] == "failed"}
    assert set(failed) == lanes
    reasons = {run.reason for run in failed.values()}
    assert reasons == {"took longer than resources.trial_timeout_s, 30 s"}
    assert len(tracker.completed("confirm")) == plan.budget().confirm_runs

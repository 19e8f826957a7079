"""A stopwatch loses no time, and a cohort says what its own went into."""

import itertools

import pytest

from tests.trainers.cases import Diary, lively_trials, make_cohort
from trainers.loop.stopwatch import Stopwatch


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> "itertools.count[int]":
    """A clock that goes on by a second each time it is read."""
    clock = itertools.count()
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    return clock


def test_every_second_belongs_to_the_lap_that_it_ends_in(ticking: "itertools.count[int]") -> None:
    stopwatch = Stopwatch()
    for purpose in ("set-up", "training", "training", "waiting"):
        stopwatch.lap(purpose)
    assert dict(stopwatch.seconds) == {"set-up": 1.0, "training": 2.0, "waiting": 1.0}


@pytest.mark.parametrize("method", ["alm_kd", "meta_weight_net"])
def test_a_cohort_accounts_for_all_its_time(
    method: str, ticking: "itertools.count[int]", monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = make_cohort(method, lively_trials(method, 2))
    cohort.train(Diary())
    cohort.test()
    spent = cohort._stopwatch.seconds
    assert set(spent) == {"set-up", "training", "method", "evaluation", "waiting"}
    # Every reading of the clock but the first ended a lap of a second.
    assert sum(spent.values()) == next(ticking) - 1
    # Once after each epoch, and after the test.
    assert (spent["waiting"], spent["evaluation"]) == (3.0, 4.0)

"""Processes that hang are noticed, in a cohort and between two."""

import pytest

from sweep.adapters.ray.dispatch import Worker
from sweep.adapters.ray.heartbeats import Heartbeats

A, B = Worker(b"a", "node", 1), Worker(b"b", "node", 2)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def heartbeats(clock: Clock) -> Heartbeats:
    return Heartbeats(10.0, clock)


def test_a_cohort_is_silent_once_it_was_not_heard_of_for_too_long(
    heartbeats: Heartbeats, clock: Clock
) -> None:
    heartbeats.begin("one", A)
    heartbeats.begin("two", B)
    clock.now += 6
    heartbeats.beat("two")
    clock.now += 6
    assert heartbeats.silent() == ["one"]
    assert heartbeats.end("one") == A
    assert heartbeats.silent() == []


def test_those_who_do_not_come_back_for_what_waits_are_stuck(
    heartbeats: Heartbeats, clock: Clock
) -> None:
    heartbeats.begin("one", A)
    heartbeats.begin("two", B)
    clock.now += 5
    heartbeats.end("one")
    clock.now += 50
    heartbeats.beat("two")
    assert heartbeats.stuck(["two", "three"]) == []  # somebody trains: there may be no room
    heartbeats.end("two")
    clock.now += 9
    assert heartbeats.stuck(["three"]) == []
    clock.now += 2
    assert heartbeats.stuck(["three"]) == [A, B]
    clock.now += 2
    assert heartbeats.stuck(["three"]) == []


def test_nobody_is_stuck_where_nothing_waits_or_who_came_back(
    heartbeats: Heartbeats, clock: Clock
) -> None:
    heartbeats.begin("one", A)
    heartbeats.end("one")
    clock.now += 50
    assert heartbeats.stuck([]) == []
    heartbeats.begin("two", A)
    heartbeats.end("two")
    heartbeats.begin("three", A)
    clock.now += 5
    assert heartbeats.stuck(["three"]) == []


def test_a_cohort_is_overdue_once_it_trained_for_longer_than_it_may(
    heartbeats: Heartbeats, clock: Clock
) -> None:
    heartbeats.begin("one", A, limit_s=20.0)
    heartbeats.begin("two", B)
    clock.now += 20
    heartbeats.beat("one")
    assert heartbeats.overdue() == []
    clock.now += 1
    assert heartbeats.overdue() == ["one"]
    assert heartbeats.end("one") == A
    assert heartbeats.overdue() == []

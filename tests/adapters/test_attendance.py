"""Processes that hang are noticed, in a cohort and between two."""

import pytest

from sweep.adapters.attendance import Attendance
from sweep.adapters.handout import Worker

A, B = Worker(b"a", "node", 1), Worker(b"b", "node", 2)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attendance(clock: Clock) -> Attendance:
    return Attendance(10.0, clock)


def test_a_cohort_is_silent_once_it_was_not_heard_of_for_too_long(
    attendance: Attendance, clock: Clock
) -> None:
    attendance.begins("one", A)
    attendance.begins("two", B)
    clock.now += 6
    attendance.hear("two")
    clock.now += 6
    assert attendance.silent() == ["one"]
    assert attendance.leaves("one") == A
    assert attendance.silent() == []


def test_those_who_do_not_come_back_for_what_waits_are_stuck(
    attendance: Attendance, clock: Clock
) -> None:
    attendance.begins("one", A)
    attendance.begins("two", B)
    clock.now += 5
    attendance.leaves("one")
    clock.now += 50
    attendance.hear("two")
    assert attendance.stuck(["two", "three"]) == []  # somebody trains: there may be no room
    attendance.leaves("two")
    clock.now += 9
    assert attendance.stuck(["three"]) == []
    clock.now += 2
    assert attendance.stuck(["three"]) == [A, B]
    clock.now += 2
    assert attendance.stuck(["three"]) == []


def test_nobody_is_stuck_where_nothing_waits_or_who_came_back(
    attendance: Attendance, clock: Clock
) -> None:
    attendance.begins("one", A)
    attendance.leaves("one")
    clock.now += 50
    assert attendance.stuck([]) == []
    attendance.begins("two", A)
    attendance.leaves("two")
    attendance.begins("three", A)
    clock.now += 5
    assert attendance.stuck(["three"]) == []

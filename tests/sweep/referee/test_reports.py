"""When a cohort's reports reach the referee, and what is answered meanwhile."""

import math
from collections.abc import Iterator, Sequence
from itertools import count

import pytest

from sweep.referee.reports import GATHER_S, Reported, Reports

LAST = 9
NAMES = ("a", "b")
GOOD = ({"loss": 1.0}, {"loss": 2.0})


class Wire:
    """Takes what is sent; stops the second lane."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []

    def send(self, reported: list[Reported]) -> Sequence[bool]:
        self.sent.append([epoch for epoch, *_ in reported])
        return [True, False]


def _ticking(seconds: float) -> Iterator[float]:
    return (seconds * tick for tick in count())


def _reported(judged_from: float, epochs: int, seconds: float) -> tuple[Wire, list[list[bool]]]:
    """What arrives, and is answered, of so many epochs of so many seconds."""
    wire = Wire()
    reports = Reports(LAST, judged_from, wire.send, _ticking(seconds).__next__)
    answers = [reports.report(epoch, NAMES, GOOD) for epoch in range(1, epochs + 1)]
    return wire, [list(answer) for answer in answers if isinstance(answer, Sequence)]


def test_lanes_that_are_judged_are_reported_after_each_epoch() -> None:
    wire, answers = _reported(1, LAST, 0.0)
    assert wire.sent == [[epoch] for epoch in range(1, LAST + 1)]
    assert answers == [[True, False]] * LAST


def test_others_gather_for_a_moment_and_arrive_in_order() -> None:
    wire, answers = _reported(math.inf, LAST, GATHER_S / 2.5)
    assert wire.sent == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert answers == ([[True, True]] * 2 + [[True, False]]) * 3


def test_epochs_gather_until_lanes_are_judged() -> None:
    assert _reported(6, LAST, 0.0)[0].sent == [[*range(1, 7)], [7], [8], [9]]


def test_long_epochs_do_not_gather() -> None:
    assert _reported(math.inf, 3, GATHER_S * 1.01)[0].sent == [[1], [2], [3]]


def test_the_last_epoch_takes_all_along() -> None:
    assert _reported(math.inf, LAST, 0.0)[0].sent == [[*range(1, LAST + 1)]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_lane_that_diverged_is_told_of_at_once(value: float) -> None:
    wire = Wire()
    reports = Reports(LAST, math.inf, wire.send, _ticking(0.0).__next__)
    reports.report(1, NAMES, GOOD)
    assert reports.report(2, NAMES, ({"loss": 1.0}, {"loss": value})) == [True, False]
    assert wire.sent == [[1, 2]]


def test_what_is_held_back_is_sent_once_when_it_is_asked_for() -> None:
    wire, _ = _reported(math.inf, 0, 0.0)
    reports = Reports(LAST, math.inf, wire.send, _ticking(0.0).__next__)
    reports.flush()
    reports.report(1, NAMES, GOOD)
    reports.report(2, NAMES, GOOD)
    reports.flush()
    reports.flush()
    assert wire.sent == [[1, 2]]

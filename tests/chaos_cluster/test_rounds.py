"""Which faults befall which sweep, and what is told of them."""

from collections import Counter

import pytest

from tests.chaos_cluster.__main__ import EPOCHS
from tests.chaos_cluster.faults import ATTENDED, CLIENT_GONE, KINDS
from tests.chaos_cluster.rounds import MOST_IN_A_ROUND, Round, fit_together, in_turn, planned
from tests.chaos_cluster.tally import WRONG, Tally
from tests.faults.specs import SPECS

CLEAN = {"planned": 37, "finished": 37}


def _kinds(*kinds: str) -> list[str]:
    return [fault.kind for fault in fit_together(in_turn(kinds, 0))]


def test_a_seed_makes_the_same_faults_each_kind_as_often() -> None:
    faults = planned(3 * len(KINDS), seed=7)
    assert faults == planned(3 * len(KINDS), seed=7)
    assert faults != planned(3 * len(KINDS), seed=8)
    assert set(Counter(fault.kind for fault in faults).values()) == {3}
    assert len({fault.wait_s for fault in faults}) == len(faults)


def test_a_round_has_the_faults_that_its_way_of_launching_allows() -> None:
    assert _kinds(*["disk full"] * 9) == ["disk full"] * MOST_IN_A_ROUND
    assert _kinds("disk full", ATTENDED) == ["disk full"]
    assert _kinds(ATTENDED, "disk full") == [ATTENDED, "disk full"]
    assert _kinds(ATTENDED, CLIENT_GONE) == [ATTENDED]
    assert _kinds(CLIENT_GONE, "disk full", CLIENT_GONE) == [CLIENT_GONE, "disk full"]


def test_recoveries_are_told_by_kind() -> None:
    tally = Tally()
    faults = in_turn(["disk full"] * 3, 0)
    struck = list(zip(faults, (1.0, 2.0, 9.0), strict=True))
    tally.add(Round(struck, launches=2, complete=True), CLEAN)
    assert tally.is_clean
    assert tally.faults == 3
    assert tally.table().splitlines()[2:] == ["| disk full | 3 | 2.0 s | 9.0 s |"]


@pytest.mark.parametrize("count", [*WRONG[:-1], "planned"])
def test_whatever_is_wrong_is_not_clean(count: str) -> None:
    tally = Tally()
    tally.add(Round(complete=True), {**CLEAN, count: CLEAN.get(count, 0) + 1})
    assert not tally.is_clean


def test_a_sweep_that_does_not_come_back_is_not_clean() -> None:
    tally = Tally()
    tally.add(Round(complete=False), CLEAN)
    assert not tally.is_clean


def test_every_task_has_its_length() -> None:
    assert EPOCHS.keys() == SPECS.keys()

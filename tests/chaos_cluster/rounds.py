"""A round: a sweep is launched, some faults befall it one after the other, it comes to its end."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.chaos_cluster.faults import ATTENDED, CLIENT_GONE, KINDS, Struck
from tests.chaos_cluster.launches import Launches
from tests.chaos_cluster.room import Progress, Room

# Faults in one round, and the longest time from the first work in flight, or from the recovery of
# the last fault, to the next, in seconds.
MOST_IN_A_ROUND, LONGEST_WAIT_S = 4, 6.0
# How long a sweep may take until anything of it begins or ends.
STANDS_STILL_AFTER_S = 300.0
LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Fault:
    """One that is to befall a sweep: its kind, and what its moment and course are drawn from."""

    kind: str
    seed: str

    @property
    def wait_s(self) -> float:
        """From the moment when it may strike until it does."""
        return random.Random(f"{self.seed}, when").uniform(0.0, LONGEST_WAIT_S)

    def strike(self, room: Room, sweep: Launches) -> Struck | None:
        """None if it hits nothing now; each try draws the same."""
        return KINDS[self.kind](room, sweep, random.Random(self.seed))


@dataclass
class Round:
    """What befell a sweep: its faults, with the seconds it took to recover from each."""

    struck: list[tuple[Fault, float]] = field(default_factory=list)
    launches: int = 0
    complete: bool = False


def planned(count: int, seed: int) -> list[Fault]:
    """So many faults, every kind about as often as every other."""
    draw, kinds = random.Random(seed), list[str]()
    while len(kinds) < count:
        kinds += draw.sample(list(KINDS), len(KINDS))
    return in_turn(kinds[:count], seed)


def in_turn(kinds: Sequence[str], seed: int) -> list[Fault]:
    """Faults of these kinds."""
    return [Fault(kind, f"{seed}/{number}") for number, kind in enumerate(kinds)]


def fit_together(faults: Sequence[Fault]) -> list[Fault]:
    """Those of the first faults that can befall one sweep, launched as the first one needs it."""
    found: list[Fault] = []
    for fault in faults[:MOST_IN_A_ROUND]:
        kinds = [earlier.kind for earlier in found]
        # There is one client, and once it was killed none to be killed again.
        gone = ATTENDED in kinds or CLIENT_GONE in kinds
        if kinds and (fault.kind == ATTENDED or (fault.kind == CLIENT_GONE and gone)):
            break
        found.append(fault)
    return found


class Course:
    """One round as it goes."""

    def __init__(
        self, room: Room, sweep: Launches, faults: Sequence[Fault], say: Callable[[str], None]
    ) -> None:
        self._room, self._sweep, self._faults, self._say = room, sweep, faults, say
        self._known, self._moved = Progress(0, 0, 0, 0), time.monotonic()
        self.round = Round()

    def run(self) -> Round:
        """From launch to end; not complete if the sweep stands still."""
        for fault in self._faults:
            if not self._until(lambda: self._known.in_flight > 0):
                break
            self._pause(fault.wait_s)
            if (struck := self._strike(fault)) is None:
                break
            took = self._live_through(fault.kind, struck)
            self.round.struck.append((fault, took))
        self._until(lambda: False)
        self.round.launches = self._sweep.launches
        if not self.round.complete:
            self._sweep.give_up()
        return self.round

    def _strike(self, fault: Fault) -> Struck | None:
        """As soon as it hits something; None if the sweep comes to its end before."""
        while not self._has_ended():
            if struck := fault.strike(self._room, self._sweep):
                return struck
        return None

    def _live_through(self, kind: str, struck: Struck) -> float:
        """The fault to its end, and the recovery from it; how many seconds that took."""
        lasts = f", {struck.seconds:.1f} s" if struck.seconds else ""
        self._say(f"{self._sweep.name}: {kind}: {struck.what}{lasts}")
        self._pause(struck.seconds)
        struck.end()
        if not self._until(struck.is_over):
            # Also if the sweep does not need it any more.
            while not struck.is_over():
                time.sleep(LOOK_EVERY_S)
        over, before = time.monotonic(), struck.counts(self._known)
        self._until(lambda: struck.counts(self._known) > before)
        took = time.monotonic() - over
        self._say(f"{self._sweep.name}: {kind}: recovered after {took:.1f} s")
        return took

    def _pause(self, seconds: float) -> None:
        """Look on for a while, or until the sweep has ended."""
        until = time.monotonic() + seconds
        self._until(lambda: time.monotonic() >= until)

    def _until(self, holds: Callable[[], bool]) -> bool:
        """Look on until something holds; False if the sweep has ended before."""
        while not self._has_ended():
            if holds():
                return True
            time.sleep(LOOK_EVERY_S)
        return False

    def _has_ended(self) -> bool:
        """Whether the sweep is complete, or stands still; what is to be started again is."""
        if self.round.complete:
            return True
        self._room.keep_up()
        known, now = self._room.progress(self._sweep.name), time.monotonic()
        if known and known != self._known:
            self._known, self._moved = known, now
        self.round.complete = self._sweep.look()
        return self.round.complete or now - self._moved > STANDS_STILL_AFTER_S

"""A sweep on a clock that nobody waits for: the real referee hands out cohorts, nothing trains.

A slot trains a cohort at a time. Cohorts take what `sweep.forecast.costs` says; the referee, Tune
and the writer serve one after the other, in the order in which they are asked. Tune has the referee
hand out one cohort more than there are slots before there is a slot for it, as it does in a launch.
So order of cohorts, teachers that are waited for, generations, and slots that idle at the end of a
stage are those of a launch.
"""

import heapq
import math
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from sweep.forecast.assumed import AssumedStudies, NoTracker
from sweep.forecast.costs import Beside, CohortCosts, devices_of
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.referee import Referee
from sweep.referee.reports import GATHER_S
from sweep.referee.stores import Studies
from sweep.referee.time_limit import TimeLimit


class Bell:
    """What processes sleep for."""

    def __init__(self) -> None:
        self.asleep: deque[Process] = deque()


# A process on the clock: the moments at which it goes on, or what it sleeps for.
Process = Iterator[float | Bell]


class Clock:
    """Events in the order of their moments, in seconds from the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Process]] = []
        self._count = 0

    def start(self, process: Process) -> None:
        """Have a process begin now, or go on."""
        self._at(self.now, process)

    def ring(self, bell: Bell) -> None:
        """Wake the one that sleeps longest for it."""
        if bell.asleep:
            self.start(bell.asleep.popleft())

    def run(self) -> None:
        """Go on until nothing is to happen any more."""
        while self._events:
            self.now, _, process = heapq.heappop(self._events)
            for until in process:
                if isinstance(until, Bell):
                    until.asleep.append(process)
                    break
                if until > self.now:
                    self._at(until, process)
                    break

    def _at(self, moment: float, process: Process) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment, self._count, process))


@dataclass
class Server:
    """Serves one after the other; ``busy_s``: for how long in all, ``free_at``: when it is next."""

    busy_s: float = 0.0
    free_at: float = 0.0
    longest_wait_s: float = 0.0

    def take(self, now: float, seconds: float) -> float:
        """The moment at which what is asked for ``now``, and takes so long, is done."""
        self.longest_wait_s = max(self.longest_wait_s, self.free_at - now)
        self.free_at = max(now, self.free_at) + seconds
        self.busy_s += seconds
        return self.free_at


@dataclass(frozen=True)
class Simulated:
    """What came of it, in seconds.

    ``trained``: when the last cohort was over; ``written``: when the writer had written everything,
    too; ``busy``: what cohorts held, by stage. ``servers``: by name. ``cohorts``: how many.
    """

    trained: float
    written: float
    slots: int
    devices: float
    busy: dict[str, float] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)
    cohorts: int = 0
    trials: int = 0
    lane_epochs: int = 0

    @property
    def device_s(self) -> float:
        """Of all devices that cohorts held, for as long as they held them."""
        return self.devices * sum(self.busy.values())


class Simulation:
    """One sweep on so many slots."""

    def __init__(
        self,
        plan: Plan,
        costs: CohortCosts,
        beside: Beside,
        slots: int,
        studies: Studies | None = None,
    ) -> None:
        self._plan, self._costs, self._beside = plan, costs, beside
        self._slots = slots
        self._clock = Clock()
        self._asks, self._free = Bell(), Bell()
        self._handed_out: deque[CohortTask] = deque()
        limit = TimeLimit(plan.spec.search.timeout, clock=lambda: self._clock.now)
        self._referee = Referee(plan, studies or AssumedStudies(plan), NoTracker(), limit=limit)
        self._servers = {name: Server() for name in ("referee", "tune", "writer")}
        self._values = {f"validation_{plan.spec.objective.metric}": 0.0}
        self._busy: dict[str, float] = defaultdict(float)
        self._cohorts = self._trials = self._lane_epochs = 0
        self._trained = 0.0

    def run(self) -> Simulated:
        """From the first cohort to the last."""
        self._clock.start(self._tune())
        for _ in range(self._slots):
            self._clock.start(self._slot())
        self._clock.run()
        return Simulated(
            self._trained,
            max(self._trained, self._servers["writer"].free_at),
            self._slots,
            devices_of(self._plan),
            dict(self._busy),
            self._servers,
            self._cohorts,
            self._trials,
            self._lane_epochs,
        )

    def _tune(self) -> Process:
        """Has cohorts handed out, until there are none any more."""
        while True:
            if len(self._handed_out) > self._slots:
                yield self._asks
                continue
            task = self._next_cohort()
            if task == "done":
                return
            if task == "wait":
                yield self._asks
                continue
            asked = len(task.lanes) if task.stage == "search" else 0
            self._cohorts += 1
            self._trials += asked
            seconds = self._beside.call + self._beside.ask * asked
            yield self._servers["referee"].take(self._clock.now, seconds)
            self._handed_out.append(task)
            self._clock.ring(self._free)

    def _slot(self) -> Process:
        """One that trains cohorts for as long as there are any."""
        yield self._clock.now + self._beside.delay_s(self._slots)
        while True:
            if not self._handed_out:
                yield self._free
                continue
            task = self._handed_out.popleft()
            self._clock.ring(self._asks)
            yield from self._cohort(task)
            # Others may have waited for what it leaves.
            self._clock.ring(self._asks)

    def _next_cohort(self) -> CohortTask | Literal["wait", "done"]:
        return self._referee.next_cohort(self._slots)

    def _cohort(self, task: CohortTask) -> Process:
        """What one cohort does, from when there is a slot for it."""
        clock, beside, referee = self._clock, self._beside, self._servers["referee"]
        yield self._servers["tune"].take(clock.now, beside.tune) + beside.cohort
        self._servers["writer"].take(clock.now, beside.run * len(task.lanes))
        began = clock.now
        taken = beside.taken(trials=len(task.lanes) if task.stage == "search" else 0)
        yield clock.now + self._costs.begin_s(task) + taken
        live = [lane.key for lane in task.lanes]
        judged_from, epochs = self._referee.judged_from(task.id), task.spec.training.all_epochs
        answered, held, send_by = 0.0, 0, math.inf
        for epoch in range(1, epochs + 1):
            before = clock.now
            # It trains on while the last report is answered, and waits for that before the next.
            taken = beside.taken(lane_epochs=len(live))
            trained = beside.stretched(
                self._costs.epoch_s(task, epoch, len(live)) + taken, self._slots
            )
            yield max(before + trained, answered)
            if not held:
                send_by = clock.now + GATHER_S
            held += len(live)
            self._lane_epochs += len(live)
            judged = epoch >= min(judged_from, epochs)
            if judged or 2 * clock.now - before > send_by:
                answered = self._report(held)
                held = 0
            go_on = self._referee.report(task.id, epoch, live, [self._values] * len(live))
            live = [key for key, goes in zip(live, go_on, strict=True) if goes]
            if not live:
                break
        yield max(clock.now + self._costs.end_s(task, len(live)), answered)
        yield referee.take(clock.now, beside.call + beside.end * len(live))
        self._land(task, live, began)

    def _report(self, lane_epochs: int) -> float:
        """When the referee has answered a report of so many epochs of lanes."""
        self._servers["writer"].take(self._clock.now, self._beside.write * lane_epochs)
        seconds = self._beside.call + self._beside.report * lane_epochs
        return self._servers["referee"].take(self._clock.now, seconds)

    def _land(self, task: CohortTask, live: list[str], began: float) -> None:
        """A cohort is over, and what it leaves is there."""
        epochs = task.spec.training.all_epochs
        outcomes = {key: LaneOutcome(epochs, epochs, self._values) for key in live}
        self._referee.finish(task.id, outcomes, _teachers_left(task))
        self._busy[task.stage] += self._clock.now - began
        self._trained = max(self._trained, self._clock.now)


def _teachers_left(task: CohortTask) -> list[str]:
    """The names of the teachers that a cohort leaves."""
    if task.stage != "teacher":
        return []
    keys = [lane.key.rsplit("/", 1)[1] for lane in task.lanes]
    return (
        [f"{key}@{epoch}" for key in keys for epoch in task.snapshots] if task.snapshots else keys
    )


def tasks_of(plan: Plan, slots: int = 1) -> list[CohortTask]:
    """All cohorts of a sweep in the order in which so many slots that take no time would train
    them."""
    seen: list[CohortTask] = []
    simulation = Simulation(plan, _Noted(seen.append), Beside(), slots)
    simulation.run()
    return seen


class _Noted:
    """Costs of nothing, which notes what is to be trained."""

    def __init__(self, note: Callable[[CohortTask], None]) -> None:
        self._note = note

    def begin_s(self, task: CohortTask) -> float:
        self._note(task)
        return 0.0

    def epoch_s(self, task: CohortTask, epoch: int, lanes: int) -> float:
        return 0.0

    def end_s(self, task: CohortTask, lanes: int) -> float:
        return 0.0

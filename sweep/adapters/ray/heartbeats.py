"""Who trains what, when it was last heard of, and who should have come back and has not."""

import math
from collections.abc import Callable, Collection

from sweep.adapters.ray.dispatch import Worker


class Heartbeats:
    """The processes that train, by the cohort that each has; ``clock`` counts seconds."""

    def __init__(self, silence_s: float, clock: Callable[[], float]) -> None:
        self._silence_s = silence_s
        self._clock = clock
        self._workers: dict[str, Worker] = {}
        self._heard: dict[str, float] = {}
        self._due: dict[str, float] = {}
        self._idle: dict[int, Worker] = {}
        self._nobody_since = clock()

    def begin(self, cohort: str, worker: Worker, limit_s: float = math.inf) -> None:
        """A process has fetched a cohort, which may train for ``limit_s``."""
        self._due[cohort] = self._clock() + limit_s
        self._idle.pop(worker.pid, None)
        self._workers[cohort] = worker
        self.beat(cohort)

    def beat(self, cohort: str) -> None:
        """A cohort gave a sign of life."""
        self._heard[cohort] = self._clock()

    def end(self, cohort: str) -> Worker | None:
        """A process has done with a cohort, or is gone; which one, if it is known."""
        self._heard.pop(cohort, None)
        self._due.pop(cohort, None)
        worker = self._workers.pop(cohort, None)
        if worker:
            self._idle[worker.pid] = worker
        self._nobody_since = self._clock()
        return worker

    def silent(self) -> list[str]:
        """Cohorts that were not heard of for too long."""
        now = self._clock()
        return [cohort for cohort, at in self._heard.items() if now - at > self._silence_s]

    def overdue(self) -> list[str]:
        """Cohorts that have trained for longer than they may."""
        now = self._clock()
        return [cohort for cohort, due in self._due.items() if now > due]

    def stuck(self, flying: Collection[str]) -> list[Worker]:
        """Processes to end because, for too long, a cohort waits and none of them fetches it.

        While others train, waiting is no sign of anything: there may be no room.
        """
        now = self._clock()
        if self._heard or not flying:
            self._nobody_since = now
        if now - self._nobody_since <= self._silence_s:
            return []
        self._nobody_since = now
        workers = list(self._idle.values())
        self._idle.clear()
        return workers

"""The reports of a cohort on their way to the referee."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.loop.cohort import Answer

# An epoch, the lanes' names, one metrics row per lane. Plain, for whoever takes it has no trainers.
Reported = tuple[int, Sequence[str], Sequence[Mapping[str, float]]]

# For how long reports may gather, in seconds.
GATHER_S = 0.25


class Reports:
    """Sends what a cohort reports: at once, or several epochs together where nobody judges them.

    A report takes two processes a millisecond or two, and a short epoch not many more. Where lanes
    may be stopped, each is sent. Where none is, unless it diverged, they gather for a moment:
    teachers and confirm runs always, the search for as long as its pruner stops nothing.
    """

    def __init__(
        self,
        epochs: int,
        judged_from: float,
        send: Callable[[list[Reported]], "Answer"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``send`` takes reports in order and answers the last of them.

        ``epochs``: of the cohort; ``judged_from``: the first after which a lane may be stopped.
        """
        self._epochs = epochs
        self._judged_from = judged_from
        self._send = send
        self._clock = clock
        self._held: list[Reported] = []
        self._before = clock()
        self._send_by = math.inf

    def report(
        self, epoch: int, names: Sequence[str], rows: Sequence[Mapping[str, float]]
    ) -> "Answer":
        """Metrics of every lane after an epoch; which lanes go on."""
        now = self._clock()
        if not self._held:
            self._send_by = now + GATHER_S
        self._held.append((epoch, names, rows))
        next_expected = now + (now - self._before)
        self._before = now
        judged = epoch >= min(self._judged_from, self._epochs)
        if judged or next_expected > self._send_by or _diverged(rows):
            return self._send(self._taken())
        return [True] * len(names)

    def flush(self) -> None:
        """Send what is held back, as before anything that builds on it."""
        if self._held:
            self._send(self._taken())

    def _taken(self) -> list[Reported]:
        held, self._held = self._held, []
        return held


def _diverged(rows: Sequence[Mapping[str, float]]) -> bool:
    """Whether a lane's metrics are such that the referee ends it."""
    return not all(math.isfinite(value) for row in rows for value in row.values())

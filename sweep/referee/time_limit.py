"""When searches end because their time is over: `search.timeout`, `--stop-after`."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from sweep.plan.search_end import FIELD, OPTION, SearchEnd


@dataclass(frozen=True)
class Deadline:
    """Of a launch: ``seconds`` that it was given, and when they end, on the clock of its machine
    (`time.monotonic`)."""

    seconds: float
    at: float


class TimeLimit:
    """The limits of one launch; ``end``: where an earlier launch ended the searches."""

    def __init__(
        self,
        timeout_s: float | None = None,
        deadline: Deadline | None = None,
        end: SearchEnd | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.end = end
        self._timeout_s = timeout_s
        self._deadline = deadline
        self._clock = clock
        self._began: float | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a limit that may end the searches yet."""
        return self.end is None and not (self._timeout_s is None and self._deadline is None)

    def begin(self) -> None:
        """The first trials of the launch are handed out."""
        if self._began is None:
            self._began = self._clock()

    def over(self) -> tuple[str, float] | None:
        """The limit that is over, by name, and its seconds; None where there is time."""
        if not self.is_set:
            return None
        now = self._clock()
        if self._deadline and now >= self._deadline.at:
            return OPTION, self._deadline.seconds
        if self._timeout_s is None or self._began is None:
            return None
        return (FIELD, self._timeout_s) if now - self._began >= self._timeout_s else None

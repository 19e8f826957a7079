"""Where the time of a process went: seconds by purpose, lap by lap."""

import time
from collections import defaultdict


class Stopwatch:
    """All seconds since it was made belong to one purpose or another.

    What a GPU still computes when a lap ends counts for whatever waits for it.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._at = time.perf_counter()

    def lap(self, purpose: str) -> None:
        """The time since the last lap went into ``purpose``."""
        now = time.perf_counter()
        self.seconds[purpose] += now - self._at
        self._at = now

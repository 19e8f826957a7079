"""The thread that carries a sweep's records to its tracking store, in order, until it has them.

A record is put into a spool on disk first, and the call returns. A store that does not answer is
tried again for a while, and nothing is lost meanwhile: the spool outlives the process, and carrying
a record out twice changes nothing.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.mlflow.requests import Requests
from sweep.adapters.mlflow.rows import Rows
from sweep.adapters.mlflow.spool import Record, Spool
from sweep.errors import SweepFailed

# How long what a sink holds back may wait, and a spool that could be emptied, in seconds.
HOLD_BACK = 10.0
# How many records a sink takes at once.
AT_ONCE = 4000
# Seconds between two tries of a store that does not answer: the first, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


class Sink(Protocol):
    """A tracking store that takes records.

    ``gathers_s``: for how long records may gather before they are carried out together.
    """

    gathers_s: float

    def take(self, records: deque[Record]) -> None:
        """Carry records out in order, and remove those that are; raise where the store fails."""

    def write_held(self) -> None:
        """Write what was taken and held back."""


class Writer:
    """Takes records from one thread and carries them out in another."""

    def __init__(self, runs: SweepRuns, spool: Spool, patience_s: float) -> None:
        self._sink: Sink = Rows(runs) if runs.uri.startswith("sqlite") else Requests(runs)
        self._spool = spool
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._waiting: deque[Record] = deque()
        self._flushes: list[threading.Event] = []
        self._hurry = threading.Event()
        self._error: Exception | None = None
        self.busy_s = 0.0
        threading.Thread(target=self._work, name="mlflow-writer", daemon=True).start()

    def keep(self, records: Sequence[Record]) -> None:
        """Spool records, all or none, and have them carried out."""
        with self._lock:
            self._spool.put(records)
            self._waiting.extend(records)

    def take(self, record: Record) -> None:
        """Have a record carried out that is in the spool already."""
        with self._lock:
            self._waiting.append(record)

    def check(self) -> None:
        """SweepFailed if the store has not answered for too long, or refused a write."""
        if self._error:
            raise SweepFailed(
                f"the tracking store took no write for {self._patience_s:g} s: {self._error}; "
                "what is missing there is kept, and the same command goes on from here"
            )

    def flush(self) -> None:
        """Wait until everything is written; SweepFailed if it cannot be."""
        done = threading.Event()
        with self._lock:
            self._flushes.append(done)
        self._hurry.set()
        while not done.wait(0.05):
            self.check()

    def _work(self) -> None:
        tidied = time.monotonic()
        while True:
            self._hurry.wait(self._sink.gathers_s)
            with self._lock:
                self._hurry.clear()
                flushes, self._flushes = self._flushes, []
                records, self._waiting = self._waiting, deque()
            while records:
                some = deque(records.popleft() for _ in range(min(AT_ONCE, len(records))))
                if not self._insists(partial(self._sink.take, some)):
                    return
            if flushes or time.monotonic() - tidied > HOLD_BACK:
                if not self._insists(self._sink.write_held):
                    return
                tidied = time.monotonic() if self._clear_spool() else tidied
            for done in flushes:
                done.set()

    def _insists(self, write: Callable[[], None]) -> bool:
        """Try a write until it succeeds, or patience ends and it has not."""
        began, pause = time.monotonic(), FIRST_PAUSE
        while True:
            try:
                write()
                self.busy_s += time.monotonic() - began
                return True
            except Exception as error:  # noqa: BLE001 - stores fail in many ways; all are retried
                if time.monotonic() - began > self._patience_s:
                    self._error = error
                    return False
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _clear_spool(self) -> bool:
        """Empty the spool if nothing of it is still to be written; whether it was."""
        with self._lock:
            if self._waiting:
                return False
            self._spool.clear()
            return True

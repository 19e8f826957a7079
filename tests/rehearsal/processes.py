"""Processes that end with the rehearsal, whatever they started and however deep."""

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36
ENDS_WITHIN_S = 10.0
LOOK_EVERY_S = 0.02


@contextmanager
def ended_with_this() -> Iterator[None]:
    """End all that was started in the block, also what has been left by who started it."""
    # Linux hands us the orphans, so that every process stays below this one.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        kill(psutil.Process().children(recursive=True))


def kill_tree(pid: int) -> None:
    """End a process and all that it started, at once."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        kill([root, *root.children(recursive=True)])


def kill(processes: list[psutil.Process]) -> None:
    """End them at once, and wait until they are gone."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=ENDS_WITHIN_S)


class Frozen:
    """Chosen processes below one stand still, those that start later too, until a thaw."""

    def __init__(self, pid: int, chosen: Callable[[psutil.Process], bool]) -> None:
        self._root, self._chosen = psutil.Process(pid), chosen
        self._stopped: set[psutil.Process] = set()
        self._thawed = threading.Event()
        self._stop()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def thaw(self) -> None:
        """All of them go on."""
        self._thawed.set()
        self._thread.join()
        for process in self._stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _keep(self) -> None:
        while not self._thawed.wait(LOOK_EVERY_S):
            self._stop()

    def _stop(self) -> None:
        for process in set(self._root.children(recursive=True)) - self._stopped:
            with suppress(psutil.NoSuchProcess):
                if self._chosen(process):
                    process.suspend()
                    self._stopped.add(process)


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt

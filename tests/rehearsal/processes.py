"""Processes that end with the rehearsal, whatever they started and however deep."""

import ctypes
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

_PR_SET_CHILD_SUBREAPER = 36
ENDS_WITHIN_S = 10.0


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


def be_busy(count: int) -> None:
    """Start so many processes that take all the time they can get, to be ended with the others."""
    for _ in range(count):
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)


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


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt

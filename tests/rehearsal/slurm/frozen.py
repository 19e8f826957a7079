"""Processes that stand still, so that a machine is never too fast for what is done meanwhile."""

import threading
from collections.abc import Callable
from contextlib import suppress

import psutil

LOOK_EVERY_S = 0.02


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

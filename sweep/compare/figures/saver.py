"""Figures into files by two processes at once: saving takes longer than all else of a comparison.

The second process takes a figure whenever it has saved the one before; the first does so too, once
it has nothing else to do. Who saved a figure does not show: both run the same function on the same
figure. What the second one fails at, for whatever reason, the first one does.
"""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Self

from sweep.garbage_collection import collect_seldom

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AHEAD = "--ahead"
SAVED = b"."  # what the second process answers
Job = tuple["Figure", Path, str]  # a figure, the directory of its files, their stem


class FigureSaver:
    """Saves figures; with a second process inside a ``with`` block where there is a second core."""

    def __init__(self, cores: int | None = None, ahead: bool = False) -> None:
        """``cores``: of this machine, if they are not to be counted.

        ``ahead``: the first figure comes much later; the second process gets ready in time that
        nobody else wants.
        """
        self._cores = cores or os.cpu_count() or 1
        self._ahead = ahead
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._second: subprocess.Popen[bytes] | None = None
        self._feeder: Thread | None = None

    def __enter__(self) -> Self:
        """Starts the second process, which is ready by the time the first figure is drawn."""
        if self._cores > 1:
            # It imports what this process would, whatever directory it is in.
            path = os.pathsep.join(filter(None, sys.path))
            self._second = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, *([AHEAD] if self._ahead else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
            self._feeder = Thread(target=self._feed, args=(self._second,), daemon=True)
            self._feeder.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the second process, whatever it is doing; from now on the first works alone."""
        if self._second:
            with suppress(OSError), self._second:  # the rest of a figure that nobody reads
                self._second.kill()
                self._end_feeder()
            self._second = None

    def take(self, figure: "Figure", directory: Path, stem: str) -> None:
        """Have a figure saved, as `style.save` does; it is left alone from now on."""
        self._jobs.put((figure, directory, stem))

    def finish(self) -> None:
        """Save what is left; all files are there afterwards. Raises OSError as `style.save`."""
        self._save_waiting()
        self._end_feeder()
        self._save_waiting()  # what the second process did not manage

    def _save_waiting(self) -> None:
        from sweep.compare.figures.style import save

        with suppress(Empty):
            while True:
                if job := self._jobs.get_nowait():
                    save(*job)

    def _end_feeder(self) -> None:
        if self._feeder:
            self._jobs.put(None)
            self._feeder.join()
            self._feeder = None

    def _feed(self, second: "subprocess.Popen[bytes]") -> None:
        """Hands the second process one figure after the other, until told to end or it fails."""
        assert second.stdin is not None
        assert second.stdout is not None
        while job := self._jobs.get():
            try:
                second.stdin.write(pickle.dumps(job))
                second.stdin.flush()
                saved = second.stdout.read(1) == SAVED
            except Exception:  # noqa: BLE001 - whatever it was, the figure is saved all the same
                saved = False
            if not saved:
                self._jobs.put(job)
                return


def serve(ahead: bool) -> None:
    """The second process: saves the figures that come in, and says so after each."""
    collect_seldom()
    if ahead:
        Thread(target=_load_idly, daemon=True).start()
    else:
        _load()
    with suppress(EOFError):
        while True:
            job = pickle.load(sys.stdin.buffer)
            _load().save(*job)
            sys.stdout.buffer.write(SAVED)
            sys.stdout.buffer.flush()


def _load_idly() -> None:
    """Load what saving needs, where a core would be idle: a priority of this thread alone."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    _load()


def _load() -> ModuleType:
    from sweep.compare.figures import style

    return style


if __name__ == "__main__":
    serve(AHEAD in sys.argv)

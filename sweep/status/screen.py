"""Progress of a sweep on a screen, or as plain lines where the output is no terminal."""

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from sweep.referee.referee import Progress

STAGES = ("teachers", "search", "shortlist", "confirm")
REFRESH = 0.5  # seconds between looks at the referee
LINE_EVERY = 10.0  # seconds between lines in a log


def watcher(console: Console) -> Callable[[Callable[[], Progress], threading.Event], None]:
    """A function that shows progress until its event is set."""

    def watch(progress: Callable[[], Progress], ended: threading.Event) -> None:
        show = _bars if console.is_terminal else _lines
        show(console, progress, ended)

    return watch


def summary(progress: Progress) -> str:
    """One line: stages, states of ended trials, epochs."""
    stages = ", ".join(f"{s} {progress.done[s]}/{progress.planned[s]}" for s in _stages(progress))
    return f"{stages}{_states(progress)}"


def _stages(progress: Progress) -> list[str]:
    """Those of a sweep: without a shortlist, there is none of it."""
    return [stage for stage in STAGES if stage != "shortlist" or progress.planned[stage]]


def _states(progress: Progress) -> str:
    counts = [f"{progress.states[s]} {s}" for s in ("pruned", "failed") if progress.states.get(s)]
    return f" ({', '.join(counts)})" if counts else ""


def _bars(console: Console, progress: Callable[[], Progress], ended: threading.Event) -> None:
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console) as bars:
        rows = {s: bars.add_task(s, total=None, note="", visible=s != "shortlist") for s in STAGES}
        last = False
        while not last:
            last = ended.wait(REFRESH)
            now = progress()
            for stage, row in rows.items():
                note = _states(now).strip() if stage == "search" else ""
                bars.update(
                    row, completed=now.done[stage], total=now.planned[stage], note=note,
                    visible=stage in _stages(now),
                )  # fmt: skip


def _lines(console: Console, progress: Callable[[], Progress], ended: threading.Event) -> None:
    began = time.monotonic()
    while not ended.wait(LINE_EVERY):
        console.print(f"{time.monotonic() - began:5.0f} s  {summary(progress())}", soft_wrap=True)

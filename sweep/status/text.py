"""How far a sweep is, as lines for a log and as a table for a screen."""

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sweep.spec.durations import in_words
from sweep.status.progress import SweepProgress

# What counts a cell's trials, in the order of the columns.
COUNTS = ("asked", "running", "complete", "pruned", "failed")


def line(progress: SweepProgress) -> str:
    """Everything but the cells, in one line."""
    stages = ", ".join(f"{name} {s.done}/{s.planned}" for name, s in progress.stages.items())
    lost = [
        f"{count} {state}"
        for state in ("pruned", "failed")
        if (count := sum(getattr(cell, state) for cell in progress.cells))
    ]
    counts = f"{stages} ({', '.join(lost)})" if lost else stages
    return "; ".join([f"{progress.state}: {counts}", *_speed(progress)])


def screen(progress: SweepProgress | None, jobs: Sequence[str]) -> Group:
    """The whole picture: the job's lines, the stages, a row per cell."""
    parts: list[Text | Table] = [Text(text) for text in jobs]
    if progress is not None:
        parts.append(Text(f"{progress.sweep}: {line(progress)}"))
        parts += [Text(note) for note in progress.notes]
        parts.append(_cells(progress))
    return Group(*parts)


def _cells(progress: SweepProgress) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("cell")
    for name in (*COUNTS, f"best {progress.metric}", "confirmed"):
        table.add_column(name, justify="right")
    for cell in progress.cells:
        best = "–" if cell.best is None else f"{cell.best:.4g}"  # noqa: RUF001 - as in tables
        asked, *others = (str(getattr(cell, name)) for name in COUNTS)
        table.add_row(cell.cell, f"{asked}/{cell.planned}", *others, best, str(cell.confirmed))
    return table


def _speed(progress: SweepProgress) -> list[str]:
    if progress.state != "running":
        return [f"{progress.epochs} epochs"]
    said = []
    if progress.epochs_per_second:
        said.append(f"{progress.epochs_per_second:.3g} epochs/s")
    if progress.seconds_left is not None:
        said.append(f"about {in_words(progress.seconds_left)} left")
    # A run that trains for minutes is no silence; a launch that was killed is.
    if progress.silent_s is not None and progress.silent_s > 300:
        said.append(f"no run began or ended for {in_words(progress.silent_s)}")
    return said

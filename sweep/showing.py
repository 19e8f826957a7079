"""How a comparison is printed, on a terminal, in a log or in a notebook."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from sweep.terminal import Terminal

if TYPE_CHECKING:
    from sweep.results import Shown

# Rich takes 80 columns where the output is no terminal; the table needs these.
WIDTH_WITHOUT_TERMINAL = 120


def new_console() -> Console:
    """Standard output, wide enough for tables."""
    console = Terminal()
    return console if console.is_terminal else Terminal(width=WIDTH_WITHOUT_TERMINAL)


def show(console: Console, shown: "Shown", runs_dir: Path) -> None:
    """The comparison, two metrics against each other where the task names some, the answer in
    words, and where the rest is."""
    from sweep.compare.answer import answer
    from sweep.compare.tables import against_to_rich, to_rich

    console.print(to_rich(shown.table, shown.record))
    if against := against_to_rich(shown.record):
        console.print("", against)
    for line in answer(shown.table, shown.record):
        console.print(line, highlight=False)
    for line in (
        "",
        f"wrote {shown.report} and {shown.others} files beside it",
        f"almkd ui --runs-dir {runs_dir} shows every run",
    ):
        console.print(line, highlight=False, markup=False, soft_wrap=True)

"""How commands print: tables, and what a sweep showed."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    from sweep.run import Comparison

# Rich takes 80 columns where the output is no terminal; the table needs these.
WIDTH_WITHOUT_TERMINAL = 120


def new_console() -> Console:
    """Standard output, wide enough for tables."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Rows below their columns; a line for each where the output is piped."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[str(row.get(column, "")) for column in columns])
    console = Console()
    if not console.is_terminal:
        unbounded = Console(width=sys.maxsize)
        console = Console(width=Measurement.get(unbounded, unbounded.options, table).maximum)
    console.print(table)


def show(console: Console, shown: "Comparison", runs_dir: Path) -> None:
    """The comparison, its answer in words, and where the rest is."""
    from sweep.compare.answer import answer
    from sweep.compare.tables import to_rich

    console.print(to_rich(shown.table, shown.record))
    for line in answer(shown.table, shown.record):
        console.print(line, highlight=False)
    typer.echo("")
    typer.echo(f"wrote {shown.report} and {shown.others} files beside it")
    typer.echo(f"almkd ui --runs-dir {runs_dir} shows every run")

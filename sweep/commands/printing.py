"""How commands print tables."""

import sys
from collections.abc import Mapping, Sequence

from rich.measure import Measurement
from rich.table import Table

from sweep.terminal import Terminal, printable


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Rows below their columns; a line for each where the output is piped."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        # Written out before it is measured, so that the table is wide enough.
        table.add_row(*[printable(str(row.get(column, ""))) for column in columns])
    console = Terminal()
    if not console.is_terminal:
        unbounded = Terminal(width=sys.maxsize)
        console = Terminal(width=Measurement.get(unbounded, unbounded.options, table).maximum)
    console.print(table)

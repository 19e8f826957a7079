"""How commands print tables."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table


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

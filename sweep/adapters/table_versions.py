"""Of which version the tables of a database are, as their library's migrations number them.

Both stores of sweeps number theirs so, with Alembic.
"""

from pathlib import Path
from typing import Literal, NamedTuple

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


class Tables(NamedTuple):
    """``found``: the number of a database's tables; ``newest``: that of the installed library;
    ``are``: what this makes them."""

    found: str
    newest: str
    are: Literal["the same", "earlier", "unknown"]


def look_at(connection: Connection, migrations: Path) -> Tables | None:
    """The tables behind a connection; None where there are none, or nothing says what they are.

    ``migrations``: the directory of the library's own.
    """
    heads = MigrationContext.configure(connection).get_current_heads()
    if not heads:
        return None
    script = ScriptDirectory(str(migrations))
    newest = str(script.get_current_head())
    known = {revision.revision for revision in script.walk_revisions()}
    if heads == (newest,):
        return Tables(newest, newest, "the same")
    return Tables(", ".join(heads), newest, "earlier" if known.issuperset(heads) else "unknown")

"""Data that cannot be used."""

from collections.abc import Sequence

# How many names a message lists before it counts the rest.
LISTED = 12


class DataError(Exception):
    """Data that cannot be used; the message names the file or field, the reason and the remedy."""


def listed(names: Sequence[object]) -> str:
    """The first names in a row, and how many more there are; ``none`` where there is none."""
    shown = ", ".join(map(str, names[:LISTED]))
    more = len(names) - LISTED
    return f"{shown} and {more} more" if more > 0 else shown or "none"


def counted(count: int, what: str, plural: str = "") -> str:
    """``1 file``, ``2 files``."""
    return f"{count} {what if count == 1 else plural or what + 's'}"

"""Bad input: one message that names the field, the value and the remedy."""

import difflib
from collections.abc import Iterable

# Of a message, in characters.
LONGEST_LINE = 1200


class BadInput(Exception):
    """Something the user gave cannot be used; the message is all that the user needs to see."""


class SweepFailed(Exception):
    """A sweep that could not be finished; the message says what can be done."""


def unknown(what: str, value: object, known: Iterable[str]) -> str:
    """A message for a name that is none of ``known``, with the nearest one."""
    names = sorted(set(known))
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{value!r} is no {what}; {hint}known: {', '.join(names)}"


def readable(message: str) -> str:
    """A message for a terminal: what would steer that is written out, and of a line that is too
    long to be read, as with values that are huge, its middle is left out."""
    lines = []
    for line in message.splitlines():
        shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        if len(shown) > LONGEST_LINE:
            half = LONGEST_LINE // 2
            shown = f"{shown[:half]} [...] {shown[-half:]}"
        lines.append(shown)
    return "\n".join(lines)


def last_line(reason: str) -> str:
    """What a reason ends with: of a traceback, the exception."""
    return next(reversed(reason.strip().splitlines()), "")

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


def shortened(message: str) -> str:
    """A message of whose lines those that are too long to be read, as with values that are huge,
    lack their middle."""
    half = LONGEST_LINE // 2
    return "\n".join(
        f"{line[:half]} [...] {line[-half:]}" if len(line) > LONGEST_LINE else line
        for line in message.splitlines()
    )


def last_line(reason: str) -> str:
    """What a reason ends with: of a traceback, the exception."""
    return next(reversed(reason.strip().splitlines()), "")

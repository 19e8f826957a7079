"""Spans of time as users write them: seconds, or words such as 2h, 30m, 1h30m."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

SECONDS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_WORDS = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_WORD = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


def seconds_in(words: str) -> float:
    """Seconds of ``2h``, ``30m``, ``1h30m``, ``90s``, ``1d`` or ``90``; ValueError for others."""
    text = words.strip().lower()
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        seconds = float(text)
    elif _WORDS.fullmatch(text):
        seconds = sum(float(count) * SECONDS[unit] for count, unit in _WORD.findall(text))
    else:
        raise ValueError(f"{words!r} is no span of time; write seconds, or e.g. 2h, 30m, 1h30m")
    if seconds <= 0:
        raise ValueError(f"{words!r} is no time at all; give more than 0 s")
    return seconds


def in_words(seconds: float) -> str:
    """About so long, for a reader: ``40 s``, ``2.5 min``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 10 * 60:
        return f"{seconds / 60:.1f} min"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _in_seconds(value: object) -> object:
    return seconds_in(value) if isinstance(value, str) else value


# In a spec: a number of seconds, or words.
Duration = Annotated[float, BeforeValidator(_in_seconds), Field(gt=0)]

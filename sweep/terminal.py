"""What is printed for people. Text of files, specs and stores can hold characters that speak to a
terminal: they move its cursor, colour, rename its window or turn what follows around. They are
written out, such as ``\\x1b``, and nothing else of a text is taken for more than text.
"""

import re
from collections.abc import Iterable
from typing import Any, BinaryIO, cast

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

# The control characters of ASCII and of Latin-1 but for tab and end of line, and Unicode's marks
# that change the direction of text.
_SPEAKING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """``text``, with what would speak to a terminal written out."""
    return _SPEAKING.sub(lambda found: ascii(found[0])[1:-1], text)


def echo(text: object = "", nl: bool = True, err: bool = False) -> None:
    """A line of text, on standard output or standard error."""
    typer.echo(printable(str(text)), nl=nl, err=err)


class Terminal(Console):
    """Rich's console, for text that others wrote: brackets and colons mean themselves in it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(printable(segment.text), segment.style)


def printable_output(stream: BinaryIO) -> BinaryIO:
    """Of a stream of bytes to a terminal one that takes text in UTF-8."""
    return cast(BinaryIO, _PrintableOutput(stream))


class _PrintableOutput:
    """What writers of tables need of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: bytes) -> int:
        """As of a binary stream."""
        self._stream.write(printable(text.decode()).encode())
        return len(text)

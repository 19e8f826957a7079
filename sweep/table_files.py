"""Where a command writes a table: a file, which is whole or not there, or standard output."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sweep.atomic_files import replaced
from sweep.compare.formats import BINARY, WRITERS
from sweep.errors import BadInput, unknown
from sweep.terminal import printable_output


def check_target(form: str, out: Path | None, example: str) -> None:
    """BadInput where a table cannot be written to ``out`` (standard output if None) in ``form``.

    ``example``: a name for the file, without its suffix.
    """
    if form not in WRITERS:
        raise BadInput(f"--format: {unknown('format', form, WRITERS)}")
    if out is not None and not out.parent.is_dir():
        raise BadInput(f"--out {out}: there is no directory {out.parent}; make it first")
    if out is not None and out.is_dir():
        raise BadInput(f"--out {out}: is a directory; name a file in it")
    if out is None and form in BINARY and sys.stdout.isatty():
        raise BadInput(f"--format {form}: is no text for a terminal; name a file with "
                       f"--out {example}.{form}, or pipe it on")  # fmt: skip


def written(write: Callable[[BinaryIO], int], form: str, out: Path | None) -> int:
    """What ``write`` gives of the stream that it was handed; a file is replaced at its end only."""
    if out is None:
        shown = form not in BINARY and sys.stdout.isatty()
        rows = write(printable_output(sys.stdout.buffer) if shown else sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return rows
    with replaced(out) as part, part.open("wb") as stream:
        return write(stream)

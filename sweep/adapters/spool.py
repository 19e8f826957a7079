"""A spool: what is still to be written to a store, kept on disk until it is.

One JSON record a line. A record is on its way to the disk when `put` returns, so it outlives the
process that made it; `clear` empties the spool once everything in it has reached the store.
"""

import errno
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Spool:
    """An append-only file with one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        cut_torn_line(path)
        self.left_over = _read(path)
        self._file = path.open("ab", buffering=0)

    def put(self, record: Mapping[str, Any]) -> None:
        """Append a record, whole or not at all; OSError where the disk takes no more."""
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        before = self._file.seek(0, os.SEEK_END)
        if self._file.write(line) < len(line):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def clear(self) -> None:
        """Forget everything: it has reached the store."""
        self._file.truncate(0)


def cut_torn_line(path: Path) -> None:
    """Cut off a last line without its end, as a process that dies in mid-write leaves it.

    The next line would otherwise be joined to it, and both be lost.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            file.truncate(whole)
            os.fsync(file.fileno())


def _read(path: Path) -> list[Record]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]

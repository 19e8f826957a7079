"""A spool: what is still to be written to a store, kept on disk until it is.

One JSON record a line. Records are on their way to the disk when `put` returns, so they outlive the
process that made them; `clear` empties the spool once everything in it has reached the store.
"""

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class Spool:
    """An append-only file with one writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        cut_torn_line(path)
        self.left_over = _read(path)
        self._file = path.open("ab", buffering=0)

    def put(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records, all of them or none; OSError where the disk takes no more."""
        lines = "".join(f"{_ENCODE(record)}\n" for record in records).encode()
        before = self._file.seek(0, os.SEEK_END)
        if self._file.write(lines) < len(lines):
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

"""A spool: what is still to be written to a store, kept on disk until it is.

One JSON record a line, each with a checksum. Records are on their way to the disk when `put`
returns, so they outlive the process that made them; `clear` empties the spool once everything in it
has reached the store.
"""

import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sweep.adapters.checked_lines import DamagedLine, Sums, cut_torn_line, read
from sweep.errors import SweepFailed

Record = dict[str, Any]


class Spool:
    """An append-only file with one writer."""

    def __init__(self, path: Path) -> None:
        """SweepFailed, with the remedy, where what is there is not what was written."""
        self._path = path
        cut_torn_line(path)
        self.left_over: list[Record] = []
        self._sums = Sums()
        if path.exists():
            try:
                self.left_over, self._sums = read(path)
            except DamagedLine as error:
                raise SweepFailed(
                    f"{path}: is damaged ({error}); restore it from a backup, or delete it: runs "
                    "that the tracking store does not have whole are then trained again"
                ) from None
        self._file = path.open("ab", buffering=0)

    def put(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Append records, all of them or none; OSError where the disk takes no more."""
        sums = Sums(self._sums.last)
        lines = b"".join(sums.line(record) for record in records)
        before = self._file.seek(0, os.SEEK_END)
        if self._file.write(lines) < len(lines):
            self._file.truncate(before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._sums = sums

    def clear(self) -> None:
        """Forget everything: it has reached the store."""
        self._file.truncate(0)
        self._sums = Sums()

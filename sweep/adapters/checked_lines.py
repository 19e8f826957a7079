"""Files of JSON records, one a line, in which damage is noticed.

Each record ends with the CRC-32 of itself and of all before it, back to the first that has one, so
that a line that was changed, moved, left out or repeated does not fit. A file that ends early is as
a process left it that was killed there; records without a sum, of earlier versions, may come first.
"""

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]
# The last key of a record, and how it stands in its line.
SUM = "crc32"
_MARK = f'"{SUM}":'.encode()
# As Optuna writes its journal, too: sums are of these very bytes.
_ENCODE = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class DamagedLine(ValueError):
    """A line that is not what was written; the message says which."""


class Sums:
    """The sums of one file's records, in their order; ``last``: that of the last one."""

    def __init__(self, last: int = 0) -> None:
        self.last = last

    def add(self, record: Mapping[str, Any]) -> Record:
        """A record that is to be written next, with its sum."""
        self.last = zlib.crc32(_ENCODE(record)[:-1].encode(), self.last)
        return {**record, SUM: self.last}

    def line(self, record: Mapping[str, Any]) -> bytes:
        """The same as it stands in a file."""
        content = _ENCODE(record)[:-1].encode()
        self.last = zlib.crc32(content, self.last)
        return b"%b,%b%d}\n" % (content, _MARK, self.last)


def read(path: Path) -> tuple[list[Record], Sums]:
    """The records of a file without their sums, and what the next one's goes on from.

    A last line without its end is left out. DamagedLine where a line is not what was written.
    """
    sums, records = Sums(), []
    *lines, _ = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        record = _record(number, line)
        written = record.pop(SUM, None)
        if written is not None or sums.last:
            content = line[: max(line.rfind(_MARK), 0)].removesuffix(b",")
            sums.last = zlib.crc32(content, sums.last)
            if written != sums.last:
                raise DamagedLine(f"line {number} is not what was written (its sum differs)")
        records.append(record)
    return records, sums


def _record(number: int, line: bytes) -> Record:
    try:
        record: Any = json.loads(line)
    except (ValueError, RecursionError):
        raise DamagedLine(f"line {number} is no JSON") from None
    if not isinstance(record, dict):
        raise DamagedLine(f"line {number} is no record")
    return record


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

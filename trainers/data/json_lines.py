"""Tables of JSON Lines: an object a line, whose keys are the columns."""

import re
from pathlib import Path

from trainers.data.delimited import LARGEST, read_text
from trainers.data.errors import DataError
from trainers.data.tables import Table, check_label, without_index

# Deeper than that nothing is that can be used; somewhere beyond 1000, pyarrow does not survive it.
DEEP = 500
BRACKET, TEXT = re.compile(rb"[\[\]{}]"), re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def read_json_lines(file: Path, label: str | None = None) -> Table:
    """The columns in the order in which their names first come; what an object lacks is empty.

    ``label``: the column of labels, where there have to be any.
    """
    import pyarrow as pa
    from pyarrow import json as arrow

    text = read_text(file)
    if text.lstrip().startswith("["):
        raise DataError(
            f"{file}: is one list, where every line has to be an object; write it with "
            "pandas' to_json(path, orient='records', lines=True)"
        )
    content = text.encode()
    _refuse_deep(file, content)
    # In one block where it may be: rows are counted by block, and a line has to fit into one.
    options = arrow.ReadOptions(block_size=min(len(content) + 1, LARGEST))
    try:
        table = arrow.read_json(pa.BufferReader(content), options)
    except pa.ArrowException as error:
        raise DataError(
            f"{file}: cannot be read as JSON Lines: {error} (the first row is 0); every line has "
            "to be an object with the same keys, and under each the same kind of value"
        ) from None
    if label is not None:
        check_label(file, table.column_names, label)
    return without_index(file, table, label)


def _refuse_deep(file: Path, content: bytes) -> None:
    """DataError where an object, which may run over lines, is nested deeper than `DEEP`."""
    held: list[bytes] = []
    opened, suspicious = 0, DEEP
    for number, line in enumerate(content.split(b"\n"), start=1):
        held.append(line)
        opened += line.count(b"[") + line.count(b"{")
        if opened > suspicious:
            if _is_deep(b"\n".join(held)):
                raise DataError(
                    f"{file}: line {number} is nested deeper than any table is; every line has to "
                    "be an object of plain values"
                )
            # Not to look at the beginning of a long object with each of its lines.
            suspicious = 2 * opened
        if line.rstrip().endswith(b"}"):
            held, opened, suspicious = [], 0, DEEP


def _is_deep(part: bytes) -> bool:
    """Whether so many brackets are open at some place, those in texts left aside."""
    depth = 0
    for bracket in BRACKET.findall(TEXT.sub(b"", part)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEP:
            return True
    return False

"""Tables of JSON Lines: an object a line, whose keys are the columns."""

from pathlib import Path

from trainers.data.delimited import LARGEST, read_text
from trainers.data.errors import DataError
from trainers.data.tables import Table, check_label, without_index


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

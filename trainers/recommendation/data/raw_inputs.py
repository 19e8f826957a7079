"""Users for whom a trained student is asked what to recommend, read from files: one a line, or a
column of a table."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainers.data.delimited import read_text
from trainers.data.errors import DataError
from trainers.data.raw_inputs import RawInputs, of_array
from trainers.data.table_files import KINDS, read_table
from trainers.fields import FieldError, checked, resolved
from trainers.recommendation.data.datasets import DATASETS
from trainers.recommendation.data.tables import ids_of

# The option that names the column of users; the other options say how a text is written.
COLUMN, OF_TEXT = "user", ("delimiter", "decimal", "encoding")
LINES = ".txt"


def read_users(path: Path, facts: Mapping[str, Any], options: Mapping[str, str]) -> RawInputs:
    """The numbers (n, 1) of the users at ``path``, with their ids, for a student of these facts:
    ``user_ids``, what they are called, by number, and ``user_column``.

    DataError where it cannot be read, or a user was not there in training.
    """
    fields = [f for f in DATASETS["interactions"].fields if f.name in (COLUMN, *OF_TEXT)]
    try:
        given = checked(fields, {COLUMN: facts["user_column"], **options}, "a file of users")
    except FieldError as error:
        raise DataError(f"data.{error.field}: {error}") from None
    if not path.is_file():
        raise DataError(f"there is no file {path}; correct the name")
    written = resolved(fields, given)
    column = written.pop(COLUMN)
    remarks: tuple[str, ...] = ()
    if path.suffix.lower() == LINES:
        lines = read_text(path, written["encoding"]).splitlines()
        ids = [line.strip() for line in lines if line.strip()]
    elif path.suffix.lower() in KINDS:
        table = read_table(path, (column,), **written)
        ids, remarks = ids_of(path, table.columns, column, COLUMN).to_pylist(), table.remarks
    else:
        raise DataError(
            f"{path}: is none of {', '.join((*KINDS, LINES))}; write a table with the column "
            f"{column!r}, or a user a line"
        )
    number = {name: n for n, name in enumerate(facts["user_ids"])}
    if (row := next((row for row, name in enumerate(ids) if name not in number), None)) is not None:
        raise DataError(
            f"{path}: the user {ids[row]!r} in row {row + 1} was not there in training, so that "
            "the student knows nothing of it; drop it, or train anew with it"
        )
    inputs = np.array([[number[name]] for name in ids], np.int64)
    return replace(of_array(inputs, remarks), keys={COLUMN: ids})

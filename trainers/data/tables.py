"""Tables of the user's own, whatever file they come from: which columns there are, and which of
them are features.

R rows, D features. Rows are counted from 1 in messages, a line of names not counted.
"""

import difflib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError, counted, listed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# A column that pandas made of an index without a name: on writing Parquet; on reading text.
UNNAMED_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+")
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
# Numbers that are written otherwise, and what can be done about them; the first where all texts of
# a column are numbers.
OTHER_NUMBERS = (
    (NUMBER, "convert these with pandas.to_numeric (or, of a text file, leave out data.decimal)"),
    (
        re.compile(r"\s*[+-]?\d{1,3}(,\d{3})+(\.\d*)?\s*"),
        "write numbers without separators of thousands (or, where these are decimal commas of a "
        "text file, give data.decimal: ',')",
    ),
    (
        re.compile(r"\s*[+-]?(\d[\d.]*)?,\d+([eE][+-]?\d+)?\s*"),
        "write a decimal point (or, of a text file, give data.decimal: ',')",
    ),
)
# How much of a column's range may be lost between two neighbouring numbers of single precision.
COARSEST = 1e-3
# Bytes of a value at least; from how many bytes of values on a file may not hold so many times what
# it takes. Texts and labels take ten times as much once they are read.
SMALLEST = 4
MOST_PACKED = ((2**26, 500), (2**30, 100))


class Table(NamedTuple):
    """What a file holds: columns by name, and sentences on what was left out of it."""

    columns: "pa.Table"
    remarks: tuple[str, ...] = ()


class Features(NamedTuple):
    """``inputs`` (R, D) float32, the columns' ``names``, and sentences on what they lost."""

    inputs: NDArray[np.float32]
    names: tuple[str, ...]
    remarks: tuple[str, ...]


def read_parquet(file: Path, label: str | None = None) -> Table:
    """A Parquet file without the columns that its metadata, or their names, call an index."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # The file alone: folders of its path that look like ``year=2020`` are no columns.
        with pq.ParquetFile(file) as parquet:
            _refuse_bomb(file, parquet.metadata)
            table = parquet.read()
        # Whether texts are texts.
        table.validate(full=True)
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{file}: cannot be read as Parquet: {error}; write it again, or name the kind of "
            "file that it is (csv, tsv, jsonl) as data.dataset"
        ) from None
    return without_index(file, table, label, _index_columns(table))


def _refuse_bomb(file: Path, told: "pq.FileMetaData") -> None:
    """DataError where a file holds far more values than it takes bytes itself."""
    size, packed = told.num_rows * told.num_columns * SMALLEST, file.stat().st_size
    if any(size > much and size > times * packed for much, times in MOST_PACKED):
        raise DataError(
            f"{file}: holds {told.num_rows:,} rows of {told.num_columns} columns in "
            f"{packed / 2**20:.1f} MiB; if it really holds so many equal values, write it with "
            "use_dictionary=False and compression='none'"
        )


def without_index(
    file: Path, table: "pa.Table", label: str | None, index: Sequence[str] = ()
) -> Table:
    """A table without the columns ``index`` and those that are named as one; DataError where two
    columns have one name."""
    names = table.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"{file}: has the column {twice[0]!r} twice; rename one of them")
    left_out = [
        name for name in names if name != label and (name in index or UNNAMED_INDEX.fullmatch(name))
    ]
    if not left_out:
        return Table(table)
    column = "column" if len(left_out) == 1 else "columns"
    shown = listed([repr(name) if name else "without a name" for name in left_out])
    remark = (
        f"{file}: the {column} {shown} is left out as an index of pandas; index=False on writing "
        "spares it, reset_index() before makes it a feature"
    )
    return Table(table.drop_columns(left_out), (remark,))


def check_label(file: Path, names: Sequence[str], label: str) -> None:
    """DataError where there is no column of labels."""
    if label not in names:
        named = listed([name for name in names if name])
        raise DataError(
            f"{file}: has no column {label!r} but {named}; name the column of labels as data.label"
        )


def check_split_column(file: Path, names: Sequence[str], label: str, split: str) -> None:
    """DataError where no column can say which split a row is in."""
    if split == label:
        raise DataError(f"data.splits.column: {split!r} is the column of labels; name another")
    if split not in names:
        named = listed([name for name in names if name])
        raise DataError(f"data.splits.column: {file} has no column {split!r} but {named}")


def features(file: Path, table: "pa.Table", label: str, drop: Sequence[str] = ()) -> Features:
    """Every column but the label and those of ``drop``, a number each; DataError, naming columns,
    where they are none."""
    names = _feature_names(file, table, label, drop)
    check_kinds(file, table, names, may_drop=True)
    check_filled(file, table, label)
    return columns(file, table, names)


def columns(file: Path, table: "pa.Table", names: Sequence[str]) -> Features:
    """The columns ``names``, a number each; DataError, naming columns, where they are none."""
    if not len(table):
        raise DataError(f"{file}: has no row; write one for each example")
    check_kinds(file, table, names)
    for name in names:
        check_filled(file, table, name)
    inputs = np.empty((len(table), len(names)), np.float32)
    remarks = []
    for place, name in enumerate(names):
        numbers = _numbers(table[name])
        with np.errstate(over="ignore"):
            inputs[:, place] = numbers
        if not np.isfinite(inputs[:, place]).all():
            rows = np.flatnonzero(~np.isfinite(inputs[:, place]))
            raise DataError(
                f"{file}: column {name!r} holds NaN or infinity, or what is too large for single "
                f"precision, in {_rows(rows)}; fill or drop these rows"
            )
        remarks += _coarse(file, name, numbers)
    return Features(inputs, tuple(names), tuple(remarks))


def _index_columns(table: "pa.Table") -> list[str]:
    """The columns that pandas wrote as an index, by the file's own metadata.

    A range is described there and is no column.
    """
    described = (table.schema.metadata or {}).get(b"pandas")
    if described is None:
        return []
    try:
        index = json.loads(described)["index_columns"]
        return [name for name in index if isinstance(name, str)]
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not of pandas after all; unnamed indices are still known by their names.
        return []


def _feature_names(file: Path, table: "pa.Table", label: str, drop: Sequence[str]) -> list[str]:
    check_label(file, table.column_names, label)
    for name in drop:
        if name == label:
            raise DataError(f"data.drop: {name!r} is the column of labels; drop others")
        if name not in table.column_names:
            near = difflib.get_close_matches(name, table.column_names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"data.drop: {file} has no column {name!r} to leave out; {hint}it has "
                f"{listed(table.column_names)}"
            )
    names = [name for name in table.column_names if name != label and name not in drop]
    if not names:
        raise DataError(f"{file}: has no column beside {label!r}; it needs one of numbers")
    return names


def check_kinds(
    file: Path, table: "pa.Table", names: Sequence[str], may_drop: bool = False
) -> None:
    """DataError naming the columns that hold no numbers, with a remedy for the first."""
    wrong = [name for name in names if not _is_numeric(table.schema.field(name).type)]
    if not wrong:
        return
    name = wrong[0]
    more = listed([repr(other) for other in wrong[1:]])
    dropped = f", or leave it out with data.drop: [{', '.join(wrong)}]" if may_drop else ""
    also = f" (nor {'does' if len(wrong) == 2 else 'do'} {more})" if len(wrong) > 1 else ""
    raise DataError(
        f"{file}: column {name!r} holds no numbers but {_held(table[name])}{also}; "
        f"{_remedy(table[name])}{dropped}"
    )


def _is_numeric(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_decimal)
    # What is empty altogether is told as that.
    return any(test(kind) for test in (*tests, pa.types.is_null))


def _texts(column: "pa.ChunkedArray") -> list[str] | None:
    """What a column of texts holds, or None for a column of something else."""
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    return [text for text in column.to_pylist() if text]


def _held(column: "pa.ChunkedArray") -> str:
    """The kind of a column in words, with an example of texts."""
    texts = _texts(column)
    if not texts:
        return str(column.type)
    strange = next((text for text in texts if not NUMBER.fullmatch(text)), texts[0])
    row = column.to_pylist().index(strange) + 1
    return f"texts such as {strange[:40]!r} in row {row}"


def _remedy(column: "pa.ChunkedArray") -> str:
    """What can be done about a column that holds no numbers."""
    texts = _texts(column)
    if texts is None:
        return "make numbers of it"
    strange = [text for text in texts if not NUMBER.fullmatch(text)]
    for pattern, remedy in OTHER_NUMBERS:
        if all(pattern.fullmatch(text) for text in strange):
            return remedy
    if len(strange) == len(texts):
        return (
            "make columns of 0 and 1 of its values, as pandas.get_dummies does (sentences are of "
            "task: text)"
        )
    if len(set(strange)) == 1:
        return f"fill or drop the rows where {strange[0][:40]!r} marks a missing value"
    return "write plain numbers in every row"


def check_filled(file: Path, table: "pa.Table", name: str) -> None:
    """DataError where a column has empty places."""
    empty = table[name].is_null().to_numpy()
    if empty.any():
        raise DataError(
            f"{file}: column {name!r} has empty places in {_rows(np.flatnonzero(empty))}; fill or "
            "drop these rows"
        )


def _rows(rows: NDArray[np.intp]) -> str:
    """How many rows, and where the first is."""
    if len(rows) == 1:
        return f"row {rows[0] + 1}"
    return f"{counted(len(rows), 'row')}, the first of them {rows[0] + 1}"


def _numbers(column: "pa.ChunkedArray") -> NDArray[np.float64]:
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    return np.asarray(column.to_numpy(), dtype=np.float64)


def _coarse(file: Path, name: str, numbers: NDArray[np.float64]) -> list[str]:
    """A sentence where single precision tells too few of a column's numbers apart."""
    low, high = numbers.min(), numbers.max()
    step = float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if low == high or step <= COARSEST * (high - low):
        return []
    return [
        f"{file}: column {name!r} goes from {low:.12g} to {high:.12g}, where single precision "
        f"knows steps of {step:g} alone; subtract its mean before"
    ]


def texts_of(
    file: Path, table: "pa.Table", text: str, label: str = "", field: str = "text"
) -> list[str]:
    """The column ``text``; DataError where it is not there, holds no texts, or is that of labels.

    ``field``: the option of ``data`` that names it. What is not there is an empty text.
    """
    names = [name for name in table.column_names if name]
    if text == label:
        raise DataError(
            f"data.{field}: {text!r} is the column of labels; name that of the texts"
            if field == "text"
            else f"data.{field}: {text!r} is the column of responses; name another"
        )
    if text not in names:
        raise DataError(
            f"{file}: has no column {text!r} but {listed(names)}; name the column of {field}s as "
            f"data.{field}"
        )
    found = table[text].to_pylist()
    wrong = next((value for value in found if value is not None and not isinstance(value, str)), "")
    if not isinstance(wrong, str):
        raise DataError(
            f"{file}: column {text!r} holds no texts but {table[text].type}, such as {wrong!r}; "
            f"name the column of {field}s as data.{field}"
        )
    # What is not there is told with what is empty.
    return [value or "" for value in found]

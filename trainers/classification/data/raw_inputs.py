"""Raw inputs of a trained classifier: rows of a table, arrays, or pictures.

S: side of a picture in pixels. What is read here has the numbers that the loaders of data sets
read; standardising them is a part of the student.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from trainers.classification.data.datasets import DATASETS
from trainers.data.delimited import TAB, Dialect, read_delimited
from trainers.data.errors import DataError, listed
from trainers.data.json_lines import read_json_lines
from trainers.data.picture_inputs import picture_files
from trainers.data.pictures import SUFFIXES, in_channels, read_all
from trainers.data.raw_inputs import ARRAYS, RawInputs, of_array, read_arrays
from trainers.data.tables import Table, columns, read_parquet
from trainers.fields import FieldError, checked, resolved

# The kind of a table, by the end of its file's name.
TABLES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
}
# The option that names the kind where the file's name does not.
KIND = "dataset"
# How texts are written; the other options of tables are of what is trained on.
OF_TEXT = ("delimiter", "decimal", "encoding")


def read_raw_inputs(
    path: Path, facts: Mapping[str, Any], options: Mapping[str, str] | None = None
) -> RawInputs:
    """What stands at ``path``, for a classifier of these facts (`student.facts_of`).

    ``options``: how a text is written, as the data set of its kind takes it, and ``dataset``, the
    kind itself. DataError where it cannot be read, or does not fit.
    """
    given = dict(options or {})
    suffix = path.suffix.lower()
    kind = given.pop(KIND, None) or TABLES.get(suffix)
    if path.is_dir() or (suffix in SUFFIXES and path.is_file()):
        return _pictures(path, facts)
    if not path.is_file():
        raise DataError(f"there is no {path}; correct the name")
    if kind is None and suffix in ARRAYS:
        return read_arrays(path, facts["shape"])
    if kind is None or kind not in TABLES.values():
        known = sorted([*TABLES, *ARRAYS, *SUFFIXES])
        raise DataError(
            f"{path}: is none of {', '.join(known)}; of a table give data.dataset, one of "
            f"{', '.join(TABLES.values())}"
        )
    return _rows(path, _table(path, kind, given), facts["columns"])


def _table(file: Path, kind: str, given: Mapping[str, str]) -> Table:
    taken = [field for field in DATASETS[kind].fields if field.name in OF_TEXT]
    try:
        options = resolved(taken, checked(taken, given, kind))
    except FieldError as error:
        raise DataError(f"data.{error.field}: {error}") from None
    if kind == "parquet":
        return read_parquet(file)
    if kind == "jsonl":
        return read_json_lines(file)
    return read_delimited(file, None, Dialect(**{"delimiter": TAB, **options}))


def _rows(file: Path, table: Table, names: Sequence[str] | None) -> RawInputs:
    """The columns that the student was trained on, found by their names."""
    if names is None:
        raise DataError(
            f"{file}: is a table, and the student was trained on inputs whose columns have no "
            "names; save them as an .npy file, in the order that training had"
        )
    there = table.columns.column_names
    if lacking := [name for name in names if name not in there]:
        raise DataError(
            f"{file}: lacks {'the column' if len(lacking) == 1 else 'the columns'} "
            f"{listed(lacking)}, on which the student was trained; it has "
            f"{listed([name for name in there if name])}"
        )
    others = [name for name in there if name not in names]
    ignored = [f"{file}: {listed(others)} ignored: the student has no such input"]
    found = columns(file, table.columns, names)
    return of_array(found.inputs, (*table.remarks, *(ignored if others else ()), *found.remarks))


def _pictures(path: Path, facts: Mapping[str, Any]) -> RawInputs:
    """A picture, or those of a folder and of folders in it, as squares of the student's size."""
    found = picture_files(path, facts)

    def batch(start: int, stop: int) -> tuple[NDArray[Any], Sequence[str]]:
        pixels, odd = read_all(found.files[start:stop], found.side)
        where = found.where(start, stop)
        return in_channels(pixels, found.channels), [f"{where}: {remark}" for remark in odd]

    return RawInputs(len(found.files), batch, found.names, found.remarks)

"""Files of the user's own, looked at to say in a spec how they are read.

How a text is written is found by trying: what is found stands in the spec, for everyone to see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.errors import BadInput, unknown

if TYPE_CHECKING:
    from trainers.classification.data.dataset import Dataset
    from trainers.data.tables import Table

TASK = "classification"
KINDS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".parquet": "parquet",
    ".npz": "npz",
}
# What columns of labels are called, in lower case.
LABELS = ("label", "labels", "class", "target", "y", "category", "species")
# The ways in which a text is tried; the first is what its data set takes by default.
WRITTEN: Mapping[str, tuple[dict[str, str], ...]] = {
    "csv": ({}, {"delimiter": ";", "decimal": ","}, {"delimiter": ";"}, {"delimiter": "|"}),
    "tsv": ({}, {"decimal": ","}),
}
# Side of pictures in a folder, in pixels: as small as trains within minutes on a CPU.
IMAGE_SIZE = 32
# More values than these in a column of texts are no classes.
MOST_CLASSES = 100


@dataclass(frozen=True)
class OwnData:
    """A data set that was read: its kind, the options by which it is, and the examples."""

    kind: str
    options: Mapping[str, Any]
    dataset: "Dataset"

    @property
    def is_table(self) -> bool:
        """Whether it has a column of labels."""
        return "label" in self.options


def look_at(path: Path, place: str, label: str | None) -> OwnData:
    """What there is at ``path``, of which the spec says that it is at ``place``.

    ``label``: the column of labels, or None for the one that looks like it. BadInput where the data
    cannot be read, or does not say which column it is.
    """
    from trainers.data.errors import DataError

    kind = _kind(path)
    try:
        if kind == "image_folder":
            options: dict[str, Any] = {"folder": place, "image_size": IMAGE_SIZE}
        elif kind == "npz":
            options = {"path": place}
        else:
            options = {"path": place, **_as_table(path, kind, label)}
        if label is not None and "label" not in options:
            raise BadInput(f"--label {label}: {path} is no table; leave it out")
        return OwnData(kind, options, _load(kind, options, path))
    except DataError as error:
        raise BadInput(str(error)) from None


def _kind(path: Path) -> str:
    if path.is_dir():
        return "image_folder"
    if not path.is_file():
        raise BadInput(f"--data {path}: there is no such file or folder; correct the name")
    if path.suffix.lower() not in KINDS:
        raise BadInput(
            f"--data {path}: is none of {', '.join(KINDS)} and no folder; write the data as one "
            "of these"
        )
    return KINDS[path.suffix.lower()]


def _load(kind: str, options: Mapping[str, Any], path: Path) -> "Dataset":
    from trainers.classification.data.dataset import Dataset
    from trainers.fields import resolved
    from trainers.registry import TASKS

    entry = TASKS[TASK].datasets[kind]
    where = {"folder" if kind == "image_folder" else "path": str(path)}
    dataset = entry.load(**resolved(entry.fields, {**options, **where}))
    assert isinstance(dataset, Dataset)
    return dataset


def _as_table(path: Path, kind: str, label: str | None) -> dict[str, Any]:
    """How a table is read: its dialect, the column of labels, columns that are no numbers."""
    from trainers.data.errors import DataError

    first: DataError | None = None
    for written in WRITTEN.get(kind, ({},)):
        try:
            table = _read(path, kind, written).columns
            if len(table.column_names) < 2:
                continue
            found = _label(path, table, label)
            # Read as it will be, so that a decimal comma is no text.
            options = {**written, "label": found, **_dropped(table, found)}
            _load(kind, {"path": str(path), **options}, path)
            return options
        except DataError as error:
            first = first or error
    if first is None:
        raise BadInput(f"--data {path}: has one column; it needs one of labels and one of numbers")
    raise first


def _read(path: Path, kind: str, written: Mapping[str, str]) -> "Table":
    from trainers.data.delimited import TAB, Dialect, read_delimited
    from trainers.data.json_lines import read_json_lines
    from trainers.data.tables import read_parquet

    if kind == "parquet":
        return read_parquet(path)
    if kind == "jsonl":
        return read_json_lines(path)
    dialect = {"delimiter": TAB if kind == "tsv" else ",", **written}
    return read_delimited(path, None, Dialect(**dialect))


def _label(path: Path, table: Any, label: str | None) -> str:
    """The column of labels: the one that is named, or called so, or the only one of few texts."""
    names: list[str] = [name for name in table.column_names if name]
    if label is not None:
        if label not in names:
            raise BadInput(f"--label: {unknown(f'column of {path}', label, names)}")
        return label
    called = [name for name in names if name.lower() in LABELS]
    texts = [name for name in names if _is_text(table[name])]
    few = [name for name in texts if len(set(table[name].to_pylist())) <= MOST_CLASSES]
    for found in (called, few):
        if len(found) == 1:
            return found[0]
    raise BadInput(
        f"{path}: nothing tells which column holds the classes; name it with --label, one of "
        f"{', '.join(names)} (data of other tasks than classification takes a spec written by hand)"
    )


def _dropped(table: Any, label: str) -> dict[str, list[str]]:
    texts = [name for name in table.column_names if name != label and _is_text(table[name])]
    # What may be numbers, written otherwise or with gaps, is for its owner to mend.
    plain = [name for name in texts if not any(map(_has_digit, table[name].to_pylist()))]
    return {"drop": plain} if plain else {}


def _is_text(column: Any) -> bool:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _has_digit(text: object) -> bool:
    return isinstance(text, str) and any(map(str.isdigit, text))

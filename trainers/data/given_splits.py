"""Splits of the user's own: which examples are trained on, held out and tested, whatever the seed.

A name for every example (train, meta, validation, test, or none for one that is left out), or the
numbers of each split's examples. Examples are numbered from 0 in the order of the data set, an
official test part last.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.arrays import Array, read_npz, read_vector
from trainers.data.delimited import read_text
from trainers.data.errors import DataError, counted, listed
from trainers.data.tables import read_parquet
from trainers.settings import SPLITS

# By split: the rows of its examples (N_s,).
GivenSplits = Mapping[str, NDArray[np.int64]]

FIELD = "data.splits.file"
# The column of a file that has several.
COLUMN = "split"
LEFT_OUT = "none"
ALSO_CALLED = {"val": "validation", "valid": "validation", "dev": "validation", "eval": "test"}
KINDS = (".csv", ".npy", ".npz", ".parquet")


def read_given(path: str, examples: int) -> GivenSplits:
    """The splits that a file names for so many examples; DataError where it names none of them."""
    file = Path(path).expanduser()
    kind = file.suffix.lower()
    if kind == ".npz":
        return _numbered(file, read_npz(file), examples)
    if kind == ".npy":
        names: Sequence[object] = read_vector(file, "names of splits", "U").tolist()
    elif kind == ".parquet":
        table = read_parquet(file, COLUMN).columns
        names = table[_column(file, table.column_names)].to_pylist()
    elif kind == ".csv":
        names = _of_text(file)
    else:
        raise DataError(f"{FIELD}: {file} is none of {', '.join(KINDS)}; save it as one of these")
    if len(names) != examples:
        raise DataError(
            f"{file}: names the split of {counted(len(names), 'example')}, and the data set has "
            f"{examples}; name that of each, {LEFT_OUT} for one that is left out"
        )
    return named(names, str(file))


def named(names: Sequence[object], where: str) -> GivenSplits:
    """By split the examples that are named so; ``where`` the names stand, for messages."""
    texts = [LEFT_OUT if name in (None, "") else str(name).strip() for name in names]
    for place, text in enumerate(texts):
        if text not in (*SPLITS, LEFT_OUT):
            usual = ALSO_CALLED.get(text.lower(), text.lower())
            hint = f"did you mean {usual!r}? " if usual in SPLITS else ""
            raise DataError(
                f"{where}: {text[:40]!r}, of example {place} (counted from 0), is no split; {hint}"
                f"write {', '.join(SPLITS)}, or {LEFT_OUT} to leave it out"
            )
    found = np.asarray(texts)
    return _complete({s: np.flatnonzero(found == s).astype(np.int64) for s in SPLITS}, where)


def _numbered(file: Path, arrays: Mapping[str, Array], examples: int) -> GivenSplits:
    if set(arrays) != set(SPLITS):
        raise DataError(
            f"{file}: holds {listed(list(arrays))}; it needs the arrays {', '.join(SPLITS)}, each "
            "the numbers of its examples, counted from 0"
        )
    owner: dict[int, str] = {}
    for split in SPLITS:
        numbers = arrays[split]
        if numbers.ndim != 1 or (numbers.dtype.kind not in "iu" and len(numbers)):
            hint = "; numpy.flatnonzero makes numbers of it" if numbers.dtype.kind == "b" else ""
            raise DataError(
                f"{file}: {split} is {numbers.dtype} of the shape {numbers.shape}; it has to be "
                f"one row of whole numbers{hint}"
            )
        for number in numbers.tolist():
            if not 0 <= number < examples:
                raise DataError(
                    f"{file}: {split} has the example {number}; there are {examples}, counted from "
                    "0; correct it"
                )
            if number in owner:
                other = "twice" if owner[number] == split else f"and in {owner[number]}"
                raise DataError(f"{file}: example {number} is in {split} {other}; keep it once")
            owner[number] = split
    return _complete({s: arrays[s].astype(np.int64) for s in SPLITS}, str(file))


def _complete(rows: dict[str, NDArray[np.int64]], where: str) -> GivenSplits:
    empty = [split for split in SPLITS if not len(rows[split])]
    if empty:
        raise DataError(
            f"{where}: no example is in {' or '.join(empty)}; every split needs some, also the "
            "meta split, whose labels stay clean"
        )
    return rows


def _of_text(file: Path) -> list[Any]:
    lines = csv.DictReader(read_text(file).splitlines())
    column = _column(file, list(lines.fieldnames or ()))
    return [line[column] for line in lines]


def _column(file: Path, names: Sequence[str]) -> str:
    """The column of names: the only one, or the one that is called so."""
    if len(names) == 1 and names[0] not in (*SPLITS, LEFT_OUT):
        return names[0]
    if COLUMN not in names:
        raise DataError(
            f"{file}: has no column {COLUMN!r} but {listed(list(names))}; call the column of names "
            "so, in a first line"
        )
    return COLUMN

"""The user's own tables, one loader for each kind of file.

Every column but that of the labels is a feature, a number each, taken as it is: whoever gives it
has scaled it. Labels are whole numbers or texts; classes are numbered in ascending order of what
stands there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainers.classes.labels import Classes, numbered
from trainers.classification.data.dataset import Dataset
from trainers.data.dataset import DatasetInfo
from trainers.data.delimited import TAB, Dialect, read_delimited
from trainers.data.given_splits import named
from trainers.data.json_lines import read_json_lines
from trainers.data.tables import Table, check_split_column, features, read_parquet

if TYPE_CHECKING:
    import pyarrow as pa


def parquet(path: str, label: str, drop: Sequence[str] = (), split: str = "") -> Dataset:
    """A Parquet file; indices of pandas are no features."""
    file = Path(path).expanduser()
    return _dataset(file, read_parquet(file, label), label, drop, split)


def csv(
    path: str, label: str, drop: Sequence[str] = (), split: str = "", **dialect: str
) -> Dataset:
    """Delimited text with a line of names, written in a `Dialect`."""
    file = Path(path).expanduser()
    table = read_delimited(file, label, Dialect(**dialect))
    return _dataset(file, table, label, drop, split)


def tsv(
    path: str, label: str, drop: Sequence[str] = (), split: str = "", **dialect: str
) -> Dataset:
    """Text delimited by tabs with a line of names."""
    return csv(path, label, drop, split, delimiter=TAB, **dialect)


def jsonl(path: str, label: str, drop: Sequence[str] = (), split: str = "") -> Dataset:
    """An object a line."""
    file = Path(path).expanduser()
    return _dataset(file, read_json_lines(file, label), label, drop, split)


def _dataset(file: Path, table: Table, label: str, drop: Sequence[str], split: str = "") -> Dataset:
    """``split``: the column that names the split of every row; empty for none."""
    if split:
        check_split_column(file, table.columns.column_names, label, split)
        drop = [*drop, split]
    columns = features(file, table.columns, label, drop)
    given = table.columns[label]
    classes = numbered(file, np.asarray(given.to_pylist()))
    remarks = [*table.remarks, *columns.remarks, *classes.remarks]
    remarks += _in_another_order(file, given, classes)
    info = DatasetInfo(tuple(remarks), classes.names, columns.names)
    dataset = Dataset(columns.inputs, classes.labels, len(classes.names), info=info)
    if not split:
        return dataset
    return dataset.with_splits(named(table.columns[split].to_pylist(), f"{file}: column {split!r}"))


def _in_another_order(file: Path, given: "pa.ChunkedArray", classes: Classes) -> list[str]:
    """A remark where the labels have an order of their own, which the classes' numbers lack."""
    import pyarrow as pa

    if not (pa.types.is_dictionary(given.type) and given.type.ordered and given.num_chunks):
        return []
    ordered = [str(name) for name in given.chunk(0).dictionary.to_pylist()]
    kept = [name for name in ordered if name in classes.names]
    if kept == list(classes.names):
        return []
    return [
        f"{file}: its labels are categories in the order {' < '.join(kept)}, while classes are "
        f"numbered by name: {', '.join(classes.names)}"
    ]

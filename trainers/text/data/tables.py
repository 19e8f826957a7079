"""The user's own tables of texts, one loader for each kind of file.

One column holds the texts, another their labels; all others are left alone. Labels are whole
numbers or texts; classes are numbered in ascending order of what stands there.
"""

from pathlib import Path

import numpy as np

from trainers.classes.labels import numbered
from trainers.data.delimited import TAB, Dialect, read_delimited
from trainers.data.given_splits import named
from trainers.data.json_lines import read_json_lines
from trainers.data.tables import (
    Table,
    check_filled,
    check_label,
    check_split_column,
    read_parquet,
    texts_of,
)
from trainers.text.data.dataset import Reading, TextDataset

# Of a table of texts: its columns.
Columns = dict[str, str]


def parquet(path: str, text: str, label: str, split: str = "", **reading: object) -> TextDataset:
    """A Parquet file."""
    file = Path(path).expanduser()
    return _dataset(file, read_parquet(file, label), (text, label, split), reading)


def csv(
    path: str, text: str, label: str, split: str = "", delimiter: str = ",",
    encoding: str = "utf-8", **reading: object,
) -> TextDataset:  # fmt: skip
    """Delimited text with a line of names."""
    file = Path(path).expanduser()
    table = read_delimited(file, label, Dialect(delimiter, encoding=encoding), (text,))
    return _dataset(file, table, (text, label, split), reading)


def tsv(path: str, text: str, label: str, split: str = "", **options: object) -> TextDataset:
    """Text delimited by tabs with a line of names."""
    return csv(path, text, label, split, TAB, **options)  # type: ignore[arg-type]


def jsonl(path: str, text: str, label: str, split: str = "", **reading: object) -> TextDataset:
    """An object a line."""
    file = Path(path).expanduser()
    return _dataset(file, read_json_lines(file, label), (text, label, split), reading)


def _dataset(
    file: Path, table: Table, names: tuple[str, str, str], reading: dict[str, object]
) -> TextDataset:
    """``names``: of the columns of texts, labels and splits; the last is empty for none."""
    text, label, split = names
    check_label(file, table.columns.column_names, label)
    check_filled(file, table.columns, label)
    texts = texts_of(file, table.columns, text, label)
    if split:
        check_split_column(file, table.columns.column_names, label, split)
    classes = numbered(file, np.asarray(table.columns[label].to_pylist()))
    classes = classes._replace(remarks=(*table.remarks, *classes.remarks))
    dataset = Reading(**reading).dataset(file, texts, classes, column=text)  # type: ignore[arg-type]
    if not split:
        return dataset
    return dataset.with_splits(named(table.columns[split].to_pylist(), f"{file}: column {split!r}"))

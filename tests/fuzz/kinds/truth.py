"""What plain files hold, by readers that share nothing with almkd's: Python's own and a few lines.

Each gives the fingerprint of the data set of classes that a file has to become, or None where it
does not know: it is at home in plain files alone.
"""

import csv
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainers.classification.data.dataset import Dataset
from trainers.data.fingerprint import fingerprint

PLAIN = re.compile(r"-?\d{1,15}(\.\d+)?(e-?\d{1,2})?")
WORD = re.compile(r"[a-z]+")
LABEL = "label"


def of_csv(file: Path) -> str | None:
    """Of numbers and words, separated by commas, without quotes, under names that are words."""
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        return None
    rows = list(csv.reader(io.StringIO(text)))
    if '"' in text or "\0" in text or len({len(row) for row in rows}) != 1:
        return None
    names, *rows = rows
    plain = all(PLAIN.fullmatch(field) or WORD.fullmatch(field) for row in rows for field in row)
    plain = plain and all(map(WORD.fullmatch, names))
    if LABEL not in names or not plain or len(text.splitlines()) != 1 + len(rows):
        return None
    columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    if not all(WORD.fullmatch(label) for label in columns[LABEL]):
        return None
    return _of_columns(columns)


def of_jsonl(file: Path) -> str | None:
    """Of objects with the same keys, whose values are numbers, or words."""
    try:
        rows = [json.loads(line) for line in file.read_bytes().splitlines()]
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows):
        return None
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    if LABEL not in columns or not all(type(label) is str for label in columns[LABEL]):
        return None
    if not all(map(WORD.fullmatch, columns)):
        return None
    return _of_columns(columns)


def of_npz(file: Path) -> str | None:
    """Of the arrays ``inputs`` and ``labels``, and no others."""
    try:
        with zipfile.ZipFile(file) as archive:
            arrays = {name: np.load(io.BytesIO(archive.read(name))) for name in archive.namelist()}
    except Exception:  # noqa: BLE001 - whatever is raised, this is no plain file
        return None
    if arrays.keys() != {"inputs.npy", "labels.npy"}:
        return None
    return _of(arrays["inputs.npy"], arrays["labels.npy"].tolist())


def _of_columns(columns: Mapping[str, Sequence[Any]]) -> str | None:
    try:
        numbers = {n: [float(v) for v in c] for n, c in columns.items() if n != LABEL}
    except (TypeError, ValueError, OverflowError):
        return None
    return _of(np.array(list(numbers.values())).T, columns[LABEL])


def _of(inputs: np.ndarray[Any, Any], labels: Sequence[Any]) -> str:
    names = sorted(set(labels))
    codes = np.array([names.index(label) for label in labels], np.int64)
    with np.errstate(over="ignore"):
        single = inputs.astype(np.float32)
    return fingerprint(Dataset(single, codes, len(names)))

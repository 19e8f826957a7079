"""The user's own arrays or table.

Inputs are taken as they are, as float32: whoever gives them has scaled them. Labels are whole
numbers or texts; classes are numbered in ascending order of what stands there.
"""

from pathlib import Path

import numpy as np

from trainers.classification.data.dataset import Dataset
from trainers.data.arrays import Array, read_npz, read_table
from trainers.data.errors import DataError


def npz(path: str) -> Dataset:
    """``inputs`` (N, ...) and ``labels`` (N,) of an .npz file.

    ``test_inputs`` and ``test_labels``, if they are there, become the official test part.
    """
    file = Path(path).expanduser()
    arrays = read_npz(file)
    for name in ("inputs", "labels"):
        if name not in arrays:
            raise DataError(
                f"{file}: holds no array {name!r} but {', '.join(arrays) or 'none'}; save it with "
                "numpy.savez(path, inputs=..., labels=...)"
            )
    inputs, labels, tests = arrays["inputs"], arrays["labels"], 0
    if "test_inputs" in arrays and "test_labels" in arrays:
        if arrays["test_inputs"].shape[1:] != inputs.shape[1:]:
            raise DataError(
                f"{file}: inputs of the shape {inputs.shape[1:]}, test_inputs of the shape "
                f"{arrays['test_inputs'].shape[1:]}; save both alike"
            )
        tests = len(arrays["test_labels"])
        inputs = np.concatenate([inputs, arrays["test_inputs"]])
        labels = np.concatenate([labels, arrays["test_labels"]])
    return _dataset(file, inputs, labels, tests)


def parquet(path: str, label: str) -> Dataset:
    """A table with the column ``label``; every other column is a feature, a number each."""
    import pyarrow as pa

    file = Path(path).expanduser()
    table = read_table(file, label)
    features = [name for name in table.column_names if name != label]
    for name in features:
        kind = table.schema.field(name).type
        if not (
            pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
        ):
            raise DataError(
                f"{file}: column {name!r} holds no numbers but {kind}; convert or drop it"
            )
    for name in table.column_names:
        if table[name].null_count:
            raise DataError(f"{file}: column {name!r} has empty places; fill or drop these rows")
    columns = [np.asarray(table[name].to_pylist(), dtype=np.float32) for name in features]
    inputs = np.stack(columns, axis=1) if columns else np.empty((len(table), 0), np.float32)
    return _dataset(file, inputs, np.asarray(table[label].to_pylist()))


def _dataset(file: Path, inputs: Array, labels: Array, official_test: int = 0) -> Dataset:
    if inputs.dtype.kind not in "fiub" or inputs.ndim < 2 or 0 in inputs.shape[1:]:
        raise DataError(
            f"{file}: its inputs are {inputs.dtype} of the shape {inputs.shape}; they have to be "
            "numbers, an example per row"
        )
    if labels.dtype.kind not in "iubU" or labels.shape != inputs.shape[:1]:
        raise DataError(
            f"{file}: its labels are {labels.dtype} of the shape {labels.shape}; they have to be "
            f"whole numbers or texts, one for each of the {len(inputs)} examples"
        )
    names, codes = np.unique(labels, return_inverse=True)
    return Dataset(inputs.astype(np.float32), codes.astype(np.int64), len(names), official_test)

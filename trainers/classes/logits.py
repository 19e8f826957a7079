"""Logits of a teacher from a file of the user's.

N examples, C classes.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.data.arrays import Array, read_array
from trainers.data.errors import DataError
from trainers.data.tables import check_kinds, read_parquet

# Columns of a table of logits, and the one that says which example a row is of.
COLUMN, ROW = "logit_", "row"
# How far the sum of probabilities in half precision may be from 1.
ROUNDING = 1e-2


def read_logits(file: Path, classes: int) -> NDArray[np.float32]:
    """Logits (N, C) of an .npy or .npz file that holds one array, or of the columns ``logit_0``,
    ``logit_1`` and so on of a Parquet file, whose column ``row`` says, where there is one, of which
    example a row is. DataError where they cannot be logits of so many classes."""
    given = _columns(file, classes) if file.suffix == ".parquet" else read_array(file, "logits")
    if given.dtype.kind not in "fiu" or given.ndim != 2 or given.shape[1] != classes:
        raise DataError(
            f"{file}: holds {given.dtype} of the shape {given.shape}; logits are numbers (N, "
            f"{classes}), a row for each example and a column for each of the {classes} classes"
        )
    with np.errstate(over="ignore"):
        logits = given.astype(np.float32)
    if not np.isfinite(logits).all():
        raise DataError(
            f"{file}: holds NaN, infinity or numbers beyond single precision; logits are finite "
            "(of a probability of 0 take the logarithm of a small number, such as 1e-6)"
        )
    sums = logits.sum(1)
    if len(logits) and (logits >= 0).all() and (abs(sums - 1) < ROUNDING).all():
        raise DataError(
            f"{file}: its rows are probabilities, as each adds up to 1; give logits, such as their "
            "logarithm"
        )
    return logits


def _columns(file: Path, classes: int) -> Array:
    names = [f"{COLUMN}{c}" for c in range(classes)]
    import pyarrow as pa

    table = read_parquet(file, ROW).columns
    there = [name for name in table.column_names if name.startswith(COLUMN)]
    if sorted(there) != sorted(names):
        raise DataError(
            f"{file}: has {len(there)} columns of logits; for {classes} classes there have to be "
            f"{names[0]} to {names[-1]}"
        )
    check_kinds(file, table, names)
    logits = np.stack([table[name].to_numpy() for name in names], axis=1)
    if ROW not in table.column_names:
        return logits
    whole = pa.types.is_integer(table[ROW].type)
    rows = table[ROW].to_numpy()
    if not whole or not np.array_equal(np.sort(rows), np.arange(len(rows))):
        raise DataError(
            f"{file}: its column {ROW} does not name the examples 0 to {len(rows) - 1} once each; "
            "correct or drop it"
        )
    return logits[np.argsort(rows)]

"""Raw inputs of a trained student, read from files: what has the numbers that training's files had.

N inputs. ``shape``: that of one of them, as the student takes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.arrays import read_array, read_npz
from trainers.data.errors import DataError, listed

ARRAYS = (".npy", ".npz")
# A table by its columns.
Columns = dict[str, NDArray[Any]]
# The array of an .npz file that is read.
INPUTS = "inputs"


@dataclass(frozen=True)
class RawInputs:
    """Inputs that can be had in batches.

    ``names``: the files of pictures; None where inputs are rows of one file, or none has a name.
    ``batch``: from the first and the last place (excluded) to inputs (n, *shape), and sentences on
    what they lost. ``remarks``: what was left out of the whole. ``keys``: by the name of a column
    what tells inputs apart beside their places. ``told``: what becomes of the table that a student
    makes of a batch, from the place of its first input, where inputs were changed to be shown.
    """

    count: int
    batch: Callable[[int, int], tuple[NDArray[Any], Sequence[str]]]
    names: Sequence[str] | None = None
    remarks: tuple[str, ...] = ()
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    told: Callable[[int, Columns], Columns] = lambda start, table: table


def of_array(inputs: NDArray[Any], remarks: Sequence[str] = ()) -> RawInputs:
    """Inputs that are in memory."""

    def batch(start: int, stop: int) -> tuple[NDArray[Any], Sequence[str]]:
        return inputs[start:stop], ()

    return RawInputs(len(inputs), batch, remarks=tuple(remarks))


def read_arrays(file: Path, shape: Sequence[int]) -> RawInputs:
    """The array (N, *shape) of an .npy file, or ``inputs`` of an .npz file; one input alone is
    taken as well. DataError where it does not fit."""
    inputs, remarks = array_in(file)
    if inputs.shape == tuple(shape):
        inputs = inputs[None]
    if inputs.dtype.kind not in "fiub" or inputs.shape[1:] != tuple(shape):
        raise DataError(
            f"{file}: holds {inputs.dtype} of the shape {inputs.shape}; the student takes numbers "
            f"of the shape (examples, {', '.join(map(str, shape))})"
        )
    if not len(inputs):
        raise DataError(f"{file}: holds no input; save at least one")
    with np.errstate(over="ignore"):
        single = inputs.astype(np.float32) if inputs.dtype.kind == "f" else inputs
    if single.dtype.kind == "f":
        wrong = ~np.isfinite(single).all(axis=tuple(range(1, single.ndim)))
        if wrong.any():
            raise DataError(
                f"{file}: holds NaN or infinity, or what is too large for single precision, in "
                f"{wrong.sum()} of {len(wrong)} inputs, the first at place {wrong.argmax()}; fill "
                "or drop these"
            )
    return of_array(single, remarks)


def array_in(file: Path) -> tuple[NDArray[Any], list[str]]:
    """The array of an .npy file, or ``inputs`` of an .npz file, and a sentence on others there."""
    if file.suffix.lower() != ".npz":
        return read_array(file, "inputs"), []
    arrays = read_npz(file)
    if INPUTS not in arrays:
        raise DataError(
            f"{file}: holds no array {INPUTS!r} but {listed(list(arrays))}; save it with "
            "numpy.savez(path, inputs=...)"
        )
    others = [name for name in arrays if name != INPUTS]
    return arrays[INPUTS], [f"{file}: {listed(others)} ignored"] if others else []

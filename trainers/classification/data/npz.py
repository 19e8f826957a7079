"""The user's own arrays.

Inputs are taken as they are, as float32: whoever gives them has scaled them. Labels are whole
numbers or texts; classes are numbered in ascending order of what stands there.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.classes.labels import numbered
from trainers.classification.data.dataset import Dataset
from trainers.data.arrays import Array, read_npz
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError, listed

# Inputs and labels of either part, the official test part last.
PARTS = (("inputs", "labels"), ("test_inputs", "test_labels"))
KNOWN = tuple(name for part in PARTS for name in part)
# How many channels images have.
CHANNELS = (1, 3, 4)


def npz(path: str) -> Dataset:
    """``inputs`` (N, ...) and ``labels`` (N,) of an .npz file.

    ``test_inputs`` and ``test_labels``, if they are there, become the official test part.
    """
    file = Path(path).expanduser()
    arrays = read_npz(file)
    _check_names(file, arrays)
    parts = [part for part in PARTS if part[0] in arrays]
    for part in parts:
        _check_part(file, arrays, *part)
    if len(parts) == 2 and arrays["test_inputs"].shape[1:] != arrays["inputs"].shape[1:]:
        raise DataError(
            f"{file}: inputs of the shape {arrays['inputs'].shape[1:]}, test_inputs of the shape "
            f"{arrays['test_inputs'].shape[1:]}; save both alike"
        )
    kinds = [arrays[y].dtype for _, y in parts]
    if len({kind.kind == "U" for kind in kinds}) == 2:
        raise DataError(f"{file}: labels are {kinds[0]}, test_labels {kinds[1]}; save both alike")
    inputs = np.concatenate([arrays[name] for name, _ in parts])
    classes = numbered(file, np.concatenate([arrays[name] for _, name in parts]))
    tests = len(arrays["test_labels"]) if len(parts) == 2 else 0
    info = DatasetInfo((*classes.remarks, *_channels_last(file, inputs)), classes.names)
    return Dataset(_single(inputs), classes.labels, len(classes.names), tests, info=info)


def _check_names(file: Path, arrays: Mapping[str, Array]) -> None:
    """DataError where an array is missing, or is none that is read."""
    for name in PARTS[0]:
        if name not in arrays:
            raise DataError(
                f"{file}: holds no array {name!r} but {listed(list(arrays))}; save it with "
                "numpy.savez(path, inputs=..., labels=...)"
            )
    for name in arrays:
        if name not in KNOWN:
            lacking = [known for known in KNOWN if known not in arrays]
            near = difflib.get_close_matches(name, lacking, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise DataError(
                f"{file}: holds an array {name!r}, which is not read; {hint}save "
                f"{listed(KNOWN)} and no other"
            )
    for name, other in (PARTS[1], PARTS[1][::-1]):
        if name in arrays and other not in arrays:
            raise DataError(f"{file}: holds {name} and no {other}; save both, or leave out {name}")


def _check_part(file: Path, arrays: Mapping[str, Array], inputs: str, labels: str) -> None:
    """DataError where the inputs of a part are no numbers, or not as many as its labels."""
    given, y = arrays[inputs], arrays[labels]
    if given.dtype.kind not in "fiub" or given.ndim < 2 or 0 in given.shape[1:]:
        raise DataError(
            f"{file}: its {inputs} are {given.dtype} of the shape {given.shape}; they have to be "
            "numbers, an example per row"
        )
    if y.shape[:1] != given.shape[:1]:
        raise DataError(
            f"{file}: its {labels} are {y.dtype} of the shape {y.shape}; there has to be one for "
            f"each of the {len(given)} examples in {inputs}"
        )


def _single(inputs: Array) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        single: NDArray[np.float32] = inputs.astype(np.float32)
    return single


def _channels_last(file: Path, inputs: Array) -> tuple[str, ...]:
    """A remark where the shape is that of images with their channels last."""
    shape = inputs.shape[1:]
    if len(shape) != 3 or shape[0] in CHANNELS or shape[2] not in CHANNELS:
        return ()
    high, wide, channels = shape
    return (
        f"{file}: inputs of the shape {shape} are read as {high} channels of {wide} x {channels}; "
        f"if they are images of {high} x {wide}, save inputs.transpose(0, 3, 1, 2)",
    )

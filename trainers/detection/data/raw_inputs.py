"""Raw inputs of a trained detector: pictures, or an array of them.

N pictures of K channels, S: side of the squares that the student takes. Files of pictures are
fitted into these as in training (`trainers.detection.data.fitted`), whatever their size, and what
is found is told in pixels of the files. An array (N, K, S, S) is shown as it is.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError
from trainers.data.picture_inputs import picture_files
from trainers.data.pictures import SUFFIXES, Losses
from trainers.data.raw_inputs import ARRAYS, Columns, RawInputs, read_arrays
from trainers.detection.data.fitted import Fit, read_fitted

# The column of what is found: of every picture a list as JSON, of each box class, score, left, top,
# right and bottom.
FOUND = "found"


def read_pictures(path: Path, facts: Mapping[str, Any], options: Mapping[str, str]) -> RawInputs:
    """What stands at ``path``: a picture, a folder of them, or an array, for a student of these
    facts. DataError where it cannot be read, or does not fit."""
    for name in options:
        raise DataError(f"data.{name}: is no option of pictures; leave it out")
    if not path.exists():
        raise DataError(f"there is no {path}; correct the name")
    suffix = path.suffix.lower()
    if suffix in ARRAYS and path.is_file():
        return read_arrays(path, facts["shape"])
    if not path.is_dir() and suffix not in SUFFIXES:
        known = ", ".join(sorted([*SUFFIXES, *ARRAYS]))
        raise DataError(f"{path}: is none of {known}; convert it")
    return _of_files(path, facts)


def _of_files(path: Path, facts: Mapping[str, Any]) -> RawInputs:
    found = picture_files(path, facts)
    standard = facts["preprocessing"]
    fill = [standard["scale"] * mean for mean in standard["mean"]]
    fits: dict[int, Fit] = {}

    def batch(start: int, stop: int) -> tuple[NDArray[Any], Sequence[str]]:
        inputs = np.empty((stop - start, found.channels, found.side, found.side), np.uint8)
        losses = Losses()
        for place, fit in enumerate(read_fitted(found.files[start:stop], inputs, fill), start):
            fits[place] = fit
            losses.add(fit.file)
        return inputs, [f"{found.where(start, stop)}: {remark}" for remark in losses.told()]

    def told(start: int, table: Columns) -> Columns:
        of_files = [_in_file(text, fits.pop(start + n)) for n, text in enumerate(table[FOUND])]
        return {**table, FOUND: np.array(of_files, dtype=object)}

    return RawInputs(len(found.files), batch, found.names, found.remarks, told=told)


def _in_file(found: str, fit: Fit) -> str:
    """The list of what is found in a picture, in pixels of its file; without what lies in the
    colour that fills up alone."""
    height, width = fit.file.size
    whole = np.array([width, height] * 2, np.float64)
    of_file = []
    for name, score, *box in json.loads(found):
        left, top, right, bottom = (np.array(box) / fit.scale).clip(0, whole).round(2).tolist()
        if left < right and top < bottom:
            of_file.append([name, score, left, top, right, bottom])
    return json.dumps(of_file)

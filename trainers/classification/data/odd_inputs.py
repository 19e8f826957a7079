"""Inputs that are legal and yet may be a mistake.

N examples, D features, v (N,) one of them, C classes.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from trainers.classification.data.dataset import Dataset
from trainers.data.errors import counted, listed

Column = NDArray[np.float32]
# Below so many rows an order, or a column that tells the classes, may be chance.
ENOUGH = 20
# A standard deviation of all inputs beyond which networks learn badly, and one below.
WIDE, NARROW = 10.0, 0.01
# How many times wider than the median of the others a feature is told to be.
APART = 30.0
# How many rows of one value make a code of a number.
PER_CODE = 10
# What often marks a missing value, where it lies so many standard deviations off the others.
MARKS = (-999999, -99999, -9999, -999, -99, 99, 999, 9999, 99999, 999999)
OFF = 5.0


def odd_scale(inputs: NDArray[np.float32]) -> list[str]:
    """A sentence where the numbers are far larger or smaller than networks are begun for."""
    spread = float(inputs.std(dtype=np.float64))
    if NARROW <= spread <= WIDE:
        return []
    return [
        f"inputs have the standard deviation {spread:.3g}, and go from {inputs.min():.6g} to "
        f"{inputs.max():.6g}; they are taken as they are, so scale them to about 1 before"
    ]


def odd_images(inputs: NDArray[np.float32]) -> list[str]:
    """A sentence where images (N, channels, H, W) show nothing."""
    # A single pixel is always of one colour.
    if inputs.ndim != 4 or inputs[0, 0].size == 1:
        return []
    low, high = inputs.min(axis=(2, 3)), inputs.max(axis=(2, 3))
    if not (blank := int((low == high).all(axis=1).sum())):
        return []
    return [f"{counted(blank, 'image')} of one colour"]


def odd_columns(dataset: Dataset) -> list[str]:
    """A sentence for each kind of oddity, naming the features (N, D) that have it."""
    if dataset.inputs.ndim != 2:
        return []
    kinds: Mapping[str, Callable[[Column], bool]] = {
        "features of one number throughout: {}": is_constant,
        "features that look like an index or an id, with no number twice, and in the order of the "
        "rows or whole: {}; leave them out": is_index,
        "features that tell every class alone: {}; are they made from the label?": (
            lambda v: tells_classes(v, dataset.labels, dataset.classes)
        ),
        "features with numbers that often mark a missing value, such as -999: {}": has_marks,
    }
    names = dataset.info.feature_names or [str(d) for d in range(dataset.inputs.shape[1])]
    found: dict[str, list[str]] = {what: [] for what in kinds}
    for name, v in zip(names, dataset.inputs.T, strict=True):
        for what, holds in kinds.items():
            if holds(v):
                found[what].append(name)
    told = [what.format(listed(of)) for what, of in found.items() if of]
    return [*told, *_apart(dataset.inputs, names)]


def is_constant(v: Column) -> bool:
    """Whether it is one number throughout."""
    return bool((v == v[0]).all())


def is_index(v: Column) -> bool:
    """Whether it counts the rows, as far as can be told: no number twice, and in the order of the
    rows or of whole numbers."""
    if len(v) < ENOUGH or len(np.unique(v)) < len(v):
        return False
    steps = np.diff(v)
    return bool((steps > 0).all() or (steps < 0).all() or (v == np.round(v)).all())


def tells_classes(v: Column, labels: NDArray[np.int64], classes: int) -> bool:
    """Whether its number alone says the class: by thresholds, or as a code that comes often."""
    if len(v) < ENOUGH:
        return False
    order = np.argsort(v, kind="stable")
    sorted_v, y = v[order], labels[order]
    starts = np.flatnonzero(np.concatenate([[True], sorted_v[1:] != sorted_v[:-1]]))
    if (np.minimum.reduceat(y, starts) != np.maximum.reduceat(y, starts)).any():
        return False
    runs = 1 + np.count_nonzero(y[1:] != y[:-1])
    return bool(runs == classes or len(starts) * PER_CODE <= len(v))


def has_marks(v: Column) -> bool:
    """Whether its least or largest number comes several times, far off, and is a usual mark."""
    for mark in (v.min(), v.max()):
        others = v[v != mark]
        if mark not in MARKS or len(v) - len(others) < 2 or not len(others):
            continue
        spread = float(others.std(dtype=np.float64))
        if abs(float(mark) - float(np.median(others))) > OFF * spread:
            return True
    return False


def _apart(inputs: NDArray[np.float32], names: list[str] | tuple[str, ...]) -> list[str]:
    """A sentence on features that are far wider than the others."""
    spread = inputs.std(axis=0, dtype=np.float64)
    varying = np.flatnonzero(spread)
    wide = [
        f"{names[d]} ({spread[d]:.3g})"
        for place, d in enumerate(varying)
        if len(varying) > 1 and spread[d] > APART * np.median(np.delete(spread[varying], place))
    ]
    if not wide:
        return []
    return [
        f"features {listed(wide)} have a standard deviation more than {APART:g} times the median "
        "of the others'; scale them alike before"
    ]

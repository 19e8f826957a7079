"""Labels of the user's own to classes: which there are, and what is odd about them.

N examples, C classes.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError
from trainers.data.written import refuse_unwritable

# How programs write that there is no value, where they write it as text.
MISSING = {"#n/a", "<na>", "?", "n/a", "na", "nan", "none", "null"}


class Classes(NamedTuple):
    """``labels`` (N,) in [0, C), the ``names`` of the classes, and sentences on these."""

    labels: NDArray[np.int64]
    names: tuple[str, ...]
    remarks: tuple[str, ...]


def numbered(where: object, labels: NDArray[Any]) -> Classes:
    """Classes numbered in ascending order of what stands there: whole numbers, texts or booleans.

    ``labels`` (N,). DataError, with the remedy, where they are something else; ``where`` names the
    file.
    """
    if labels.dtype.kind not in "iubU" or labels.ndim != 1:
        raise DataError(
            f"{where}: its labels are {labels.dtype} of the shape {labels.shape}; they have to be "
            f"whole numbers or texts, one for each example{_remedy(labels)}"
        )
    values, codes = np.unique(labels, return_inverse=True)
    names = tuple(map(str, values))
    if labels.dtype.kind == "U":
        _refuse_missing(where, names)
        refuse_unwritable(where, "a class", names)
    return Classes(codes.astype(np.int64), names, named_oddly(where, names))


def named_oddly(where: object, names: Sequence[str]) -> tuple[str, ...]:
    """Sentences on names of classes that are legal and yet may be a mistake."""
    alike = defaultdict(list)
    for name in names:
        alike[unicodedata.normalize("NFKC", name).casefold().strip()].append(repr(name))
    remarks = [
        f"{where}: {' and '.join(same)} are {len(same)} classes, though they differ in case, "
        "blanks or encoding alone"
        for same in alike.values()
        if len(same) > 1
    ]
    remarks += [
        f"{where}: {name!r} is taken for a class; if it marks a missing label, drop its examples"
        for name in names
        if name.lower() in MISSING
    ]
    return (*remarks, *_in_order_of_texts(where, names))


def _in_order_of_texts(where: object, names: Sequence[str]) -> tuple[str, ...]:
    """A sentence where names are whole numbers, and classes have others."""
    if not all(name.isascii() and name.isdigit() for name in names):
        return ()
    wrong = [c for c, name in enumerate(names) if list(names) != sorted(names, key=int)]
    if not wrong:
        return ()
    c = next(c for c in wrong if int(names[c]) != c)
    return (
        f"{where}: its classes have whole numbers as names, and are numbered in the order of these "
        f"as texts: {names[c]!r} is class {c}; give names of equal length, such as 01, where a "
        "class_map or a noise_file goes by numbers",
    )


def _refuse_missing(where: object, names: Sequence[str]) -> None:
    """DataError where a label is empty, or what numpy makes of NaN among texts."""
    for name in names:
        if not name.strip() or name == "nan":
            raise DataError(
                f"{where}: some labels are {name!r}, which is no class; fill or drop these examples"
            )


def _remedy(labels: NDArray[Any]) -> str:
    if labels.dtype.kind == "f" and labels.ndim == 1:
        if np.isnan(labels).any():
            return f"; {np.isnan(labels).sum()} are NaN: drop these and convert with astype(int)"
        whole = (labels == np.round(labels)).all()
        return (
            "; convert them with astype(int)"
            if whole
            else "; a quantity is no class: cut it into a few, and name these"
        )
    if labels.dtype.kind == "S":
        return "; convert them with astype(str)"
    if labels.ndim == 2:
        return "; of one column per class take argmax(axis=1)"
    return ""

"""What a look at examples with one class each shows, whatever an input is.

N examples, N_s of split s, C classes.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.classes.dataset import ClassDataset
from trainers.data.errors import counted, listed
from trainers.data.inspection import Inspection, SplitRows, inspect_any

# Fewer examples of a class than these in a split are told.
FEW = 5
# The largest class is told where it is so many times the smallest.
IMBALANCED = 10
# In bytes, of a digest of one example.
SIZE = 16


class Look(NamedTuple):
    """What was seen, and the ``first`` (N',) example of each whose inputs are equal."""

    seen: Inspection
    first: NDArray[np.int64]


def look(dataset: ClassDataset, rows: SplitRows, inputs: Mapping[str, Any] | None = None) -> Look:
    """Its size, classes and duplicates; ``rows`` are those of the splits under one seed,
    ``inputs`` facts on the inputs, to be told among the others."""
    known = inspect_any(dataset, rows)
    same, first = _groups(dataset.inputs)
    duplicates = _duplicates(dataset.labels, rows, same)
    classes = _classes(dataset, rows)
    facts = {
        **known.facts,
        **(inputs or {}),
        "classes": dataset.classes,
        "largest_class_share": max(row["examples"] for row in classes) / len(dataset),
        "duplicates": duplicates,
    }
    warnings = [
        *known.warnings,
        *_told_of_duplicates(duplicates),
        *_told_of_classes(classes, rows),
    ]
    return Look(Inspection(facts, classes, warnings), first)


def _classes(dataset: ClassDataset, rows: SplitRows) -> list[dict[str, Any]]:
    names = dataset.info.class_names or tuple(map(str, range(dataset.classes)))
    whole = np.bincount(dataset.labels, minlength=dataset.classes)
    parts = {
        split: np.bincount(dataset.labels[of_split], minlength=dataset.classes)
        for split, of_split in rows.items()
    }
    return [
        {
            "class": c,
            "name": name,
            "examples": int(whole[c]),
            **{split: int(counts[c]) for split, counts in parts.items()},
        }
        for c, name in enumerate(names)
    ]


def _groups(inputs: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers (N,), equal for examples whose inputs are equal; and the first example of each."""
    digests = [
        # Zeros of either sign are one number.
        hashlib.blake2b((one + one.dtype.type(0)).tobytes(), digest_size=SIZE).digest()
        for one in inputs
    ]
    _, first, groups = np.unique(
        np.array(digests, dtype=f"V{SIZE}"), return_index=True, return_inverse=True
    )
    return groups.astype(np.int64), np.sort(first).astype(np.int64)


def _duplicates(
    labels: NDArray[np.int64], rows: SplitRows, same: NDArray[np.int64]
) -> dict[str, int]:
    """Examples that an earlier one equals; that equal one of another class; and of the later of
    two splits those that are in the earlier, too, where there are any."""
    pairs = np.unique(np.stack([same, labels], axis=1), axis=0)
    torn = np.bincount(pairs[:, 0]) > 1
    found = {
        "examples": len(same) - int(same.max() + 1),
        "with_another_class": int(torn[same].sum()),
    }
    for one, other in combinations(rows, 2):
        if shared := int(np.isin(same[rows[other]], same[rows[one]]).sum()):
            found[f"{other}_in_{one}"] = shared
    return found


def _told_of_duplicates(duplicates: Mapping[str, int]) -> list[str]:
    told = [
        f"{count} of {what.replace('_in_', ' in ')}"
        for what, count in duplicates.items()
        if "_in_" in what
    ]
    warnings = []
    if told:
        warnings.append(
            f"examples that are in two splits: {listed(told)}; what is measured on them is "
            "memory, so drop duplicates before"
        )
    if torn := duplicates["with_another_class"]:
        warnings.append(f"{counted(torn, 'example')} with equal inputs have more than one class")
    return warnings


def _told_of_classes(classes: Sequence[Mapping[str, Any]], rows: SplitRows) -> list[str]:
    warnings = []
    for split in rows:
        few = [f"{row['name']} ({row[split]})" for row in classes if row[split] < FEW]
        if few:
            warnings.append(
                f"{split} has fewer than {FEW} examples of "
                f"{counted(len(few), 'class', 'classes')}: {listed(few)}"
            )
    largest = max(classes, key=lambda row: int(row["examples"]))
    smallest = min(classes, key=lambda row: int(row["examples"]))
    examples = sum(row["examples"] for row in classes)
    if largest["examples"] >= IMBALANCED * smallest["examples"]:
        warnings.append(
            f"class {largest['name']} has {largest['examples']} examples, {smallest['name']} "
            f"{smallest['examples']}; always guessing the first is right in "
            f"{100 * largest['examples'] / examples:.1f} %, so look at balanced_accuracy too "
            "(objective.metric, compare.metric)"
        )
    if examples < FEW * len(classes):
        warnings.append(
            f"{len(classes)} classes of {examples} examples; labels may be numbers of rows, or a "
            "quantity"
        )
    return warnings

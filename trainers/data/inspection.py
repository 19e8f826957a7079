"""What a look at a data set shows, before anything is trained on it.

S splits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset

# By split: the rows of its examples (N_s,).
SplitRows = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Inspection:
    """``facts`` and ``classes`` in plain values, as JSON holds them.

    ``classes``: a row each, of one set of keys; none where a task has no classes. ``warnings``:
    sentences on what is legal and yet may be a mistake, the reader's remarks first.
    """

    facts: Mapping[str, Any]
    classes: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()


def inspect_any(dataset: Dataset, rows: SplitRows) -> Inspection:
    """What can be said of the examples of any task."""
    facts: dict[str, Any] = {"examples": len(dataset)}
    if dataset.official_test:
        facts["official_test"] = dataset.official_test
    facts["input_shape"] = list(dataset.shape)
    facts["splits"] = {split: len(of_split) for split, of_split in rows.items()}
    return Inspection(facts, warnings=dataset.info.remarks)

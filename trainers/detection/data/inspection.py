"""What a look at pictures with boxes shows."""

from typing import Any

import numpy as np

from trainers.data.dataset import Dataset
from trainers.data.inspection import Inspection, SplitRows, inspect_any
from trainers.detection.data.dataset import CLASS, CROWD, Pictures, areas, counts, is_there

# Boxes of a class with fewer are hardly learned.
FEW = 10


def inspect(dataset: Dataset, rows: SplitRows) -> Inspection:
    """How many boxes there are, of which classes and sizes."""
    assert isinstance(dataset, Pictures)
    known = inspect_any(dataset, rows)
    single = is_there(dataset.boxes) & (dataset.boxes[..., CROWD] == 0)
    original = areas(dataset.boxes) / dataset.scales[:, None] ** 2
    small, large = dataset.limits
    of_size = original[single]
    facts: dict[str, Any] = {
        **known.facts,
        "boxes": int(single.sum()),
        "pictures_without_boxes": int((counts(dataset.boxes) == 0).sum()),
        "small": int((of_size < small).sum()),
        "medium": int(((of_size >= small) & (of_size < large)).sum()),
        "large": int((of_size >= large).sum()),
    }
    of_class = dataset.boxes[..., CLASS][single].astype(np.int64)
    each = np.bincount(of_class, minlength=dataset.classes)
    classes = [
        {"class": name, "boxes": int(count)}
        for name, count in zip(dataset.class_names, each, strict=True)
    ]
    warnings = list(known.warnings)
    if few := [name for name, count in zip(dataset.class_names, each, strict=True) if count < FEW]:
        warnings.append(
            f"fewer than {FEW} boxes of {', '.join(few[:5])}{' and others' * (len(few) > 5)}; "
            "mean average precision counts each class alike"
        )
    return Inspection(facts, classes, warnings)

"""What a look at arrays with one class each shows."""

from trainers.classes.inspection import look
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.odd_inputs import odd_columns, odd_images, odd_scale
from trainers.data.dataset import Dataset as AnyDataset
from trainers.data.inspection import Inspection, SplitRows


def inspect(dataset: AnyDataset, rows: SplitRows) -> Inspection:
    """Its size, range, classes and duplicates; ``rows`` are those of the splits under one seed."""
    assert isinstance(dataset, Dataset)
    known = {
        "input_range": [float(dataset.inputs.min()), float(dataset.inputs.max())],
        # Whatever is not there was refused when it was read.
        "missing": 0,
    }
    seen, first = look(dataset, rows, known)
    odd = [
        *odd_scale(dataset.inputs),
        *odd_images(dataset.inputs),
        # A row that comes twice would hide that a column counts the rows.
        *odd_columns(dataset.take(first, 0)),
    ]
    return Inspection(seen.facts, seen.classes, [*seen.warnings, *odd])

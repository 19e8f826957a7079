"""What a look at texts with one class each shows."""

import numpy as np

from trainers.classes.inspection import look
from trainers.data.dataset import Dataset
from trainers.data.inspection import Inspection, SplitRows
from trainers.data.tokenizer import PADDING
from trainers.text.data.dataset import TextDataset


def inspect(dataset: Dataset, rows: SplitRows) -> Inspection:
    """Its size, lengths, vocabulary, classes and duplicates, as texts are read; ``rows`` are those
    of the splits under one seed."""
    assert isinstance(dataset, TextDataset)
    lengths = (dataset.inputs != PADDING).sum(1)
    used = np.unique(dataset.inputs)
    facts = {
        "vocabulary": dataset.vocabulary,
        "vocabulary_used": int((used != PADDING).sum()),
        "tokens": {
            "shortest": int(lengths.min()),
            "median": int(np.median(lengths)),
            "longest": int(lengths.max()),
        },
    }
    seen, _ = look(dataset, rows, facts)
    return seen

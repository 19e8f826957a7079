"""What a look at prompts and responses shows."""

from typing import Any

import numpy as np

from trainers.data.dataset import Dataset
from trainers.data.errors import counted
from trainers.data.inspection import Inspection, SplitRows, inspect_any
from trainers.data.tokenizer import PADDING
from trainers.language.data.dataset import SequenceDataset


def inspect(dataset: Dataset, rows: SplitRows) -> Inspection:
    """Its size, lengths, vocabulary, and prompts that come more than once."""
    assert isinstance(dataset, SequenceDataset)
    known = inspect_any(dataset, rows)
    there, said = dataset.prompts != PADDING, dataset.responses != PADDING
    cut = int((dataset.responses != dataset.end).all(1).sum())
    _, first = np.unique(dataset.prompts, axis=0, return_inverse=True)
    repeated = len(dataset) - len(np.unique(first))
    facts: dict[str, Any] = {
        **known.facts,
        "vocabulary": dataset.size,
        "mean_prompt": float(there.sum(1).mean()),
        "mean_response": float(said.sum(1).mean()),
        "responses_without_end": cut,
        "repeated_prompts": repeated,
    }
    warnings = list(known.warnings)
    split_of = np.full(len(dataset), -1)
    for number, of_split in enumerate(rows.values()):
        split_of[of_split] = number
    # The lowest and the highest split that each prompt is in.
    low, high = np.full(len(dataset), len(rows)), np.full(len(dataset), -1)
    used = split_of >= 0
    np.minimum.at(low, first[used], split_of[used])
    np.maximum.at(high, first[used], split_of[used])
    if shared := int(((high >= 0) & (low < high)).sum()):
        warnings.append(
            f"{counted(shared, 'prompt')} stand in several splits under one seed; keep each once, "
            "or name the splits in a file"
        )
    return Inspection(facts, known.classes, warnings)

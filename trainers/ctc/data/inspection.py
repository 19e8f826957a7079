"""What a look at utterances shows."""

from typing import Any

import numpy as np

from trainers.ctc.data.dataset import Utterances, frames_needed, output_frames, target_lengths
from trainers.ctc.measures import even_alignment
from trainers.data.dataset import Dataset
from trainers.data.inspection import Inspection, SplitRows, inspect_any

# Frames of output for each that a target needs: with fewer there is hardly room for blanks.
TIGHT = 1.2


def inspect(dataset: Dataset, rows: SplitRows) -> Inspection:
    """Its size, lengths and symbols, and how well spikes at even distances would be placed."""
    assert isinstance(dataset, Utterances)
    known = inspect_any(dataset, rows)
    room = output_frames(dataset.lengths) / frames_needed(dataset.labels)
    facts: dict[str, Any] = {
        **known.facts,
        "symbols": len(dataset.symbols),
        "mean_frames": float(dataset.lengths.mean()),
        "mean_labels": float(target_lengths(dataset.labels).mean()),
        "least_room": float(room.min()),
    }
    if dataset.spans is not None:
        aligned = even_alignment(dataset.labels, dataset.lengths, dataset.spans)
        facts["even_spike_alignment"] = aligned
    warnings = list(known.warnings)
    if tight := int((room < TIGHT).sum()):
        first = dataset.name(int(np.argmin(room)))
        warnings.append(
            f"{tight} of {len(dataset)} utterances have less than {TIGHT:g} frames of output for "
            f"each that their target needs, {first} the fewest; they are hard to learn"
        )
    return Inspection(facts, known.classes, warnings)

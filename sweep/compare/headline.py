"""The means of a sweep and its differences as single numbers, for the dashboard."""

import numpy as np

from sweep.compare.comparison import paired_scores
from sweep.compare.questions import against
from sweep.compare.records import SweepRecord, scores


def headline(record: SweepRecord) -> dict[str, float]:
    """By name: ``CELL/test_METRIC``, the mean of a cell's confirm runs, and ``CELL/minus LABEL``,
    the mean difference to what it is compared with, paired by seed. In the record's unit; what has
    no finished run is left out."""
    found: dict[str, float] = {}
    for condition in record.conditions:
        for method in record.methods:
            cell = record.cell(condition, method)
            if values := list(scores(record, condition, method).values()):
                found[f"{cell}/{record.test_column}"] = float(np.mean(values))
            for other in against(record, method):
                if not other:
                    continue
                mine, theirs = paired_scores(record, condition, method, other)
                if len(mine):
                    found[f"{cell}/minus {other}"] = float(np.mean(mine - theirs))
    return found

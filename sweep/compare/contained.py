"""Rows that ended below rows which they contain: their search could have had those, and missed."""

import numpy as np

from sweep.compare.comparison import cell_rng, paired_scores
from sweep.compare.notation import condition_text, decimals, listed
from sweep.compare.records import SweepRecord
from sweep.compare.statistics import bca_interval, mean
from sweep.plan.plan import Condition


def below_contained(record: SweepRecord) -> list[str]:
    """A sentence for each row and each that it contains, where it has the worse mean somewhere."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for condition in record.conditions:
        for method in record.methods:
            inner = record.contains.get(record.cell(condition, method), {})
            for other, at in inner.items():
                if text := _below(record, condition, (method, other)):
                    places.setdefault((method, other, at), []).append(text)
    return [
        f"{method} contains {other} (at {at}) and has the worse mean at {listed(where)}: its"
        " search chose another configuration, on the validation split."
        for (method, other, at), where in places.items()
    ]


def _below(record: SweepRecord, condition: Condition, methods: tuple[str, str]) -> str:
    """The condition with the difference, where the first method is the worse one; else empty."""
    a, b = paired_scores(record, condition, *methods)
    if not len(a):
        return ""
    worse = mean(a - b) < 0.0 if record.direction == "maximize" else mean(a - b) > 0.0
    if not worse:
        return ""
    cells = (record.cell(condition, method) for method in methods)
    low, high = bca_interval(a - b, cell_rng(0, record.name, *cells, "contained"))
    digits = decimals(high - low)
    interval = f" [{low:+z.{digits}f}, {high:+z.{digits}f}]" if np.isfinite(low) else ""
    return f"{condition_text(condition, record)} ({mean(a - b):+z.{digits}f}{interval})"

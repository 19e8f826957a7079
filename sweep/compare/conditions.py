"""Conditions of a sweep, chosen as a user writes it: NAME=VALUE."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from sweep.compare.records import SweepRecord
from sweep.errors import BadInput, unknown


@dataclass(frozen=True)
class Where:
    """Which conditions are meant: those whose ``column`` is ``value``, as text or number."""

    column: str
    value: str

    def keeps(self, value: object) -> bool:
        """Whether a condition, or a run, with that value is kept; one that has none is in all."""
        if value is None or pd.isna(value):  # type: ignore[call-overload]
            return True
        if isinstance(value, str):
            return value == self.value
        try:
            return float(self.value) == value
        except ValueError:
            return False


def parse_where(text: str, records: Sequence[SweepRecord]) -> Where:
    """A filter as it was written; BadInput where a sweep has no such column or value."""
    column, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"--where {text}: write it as NAME=VALUE, such as noise_rate=0.4")
    where = Where(column, value)
    for record in records:
        known = record.conditions[0].columns
        if column not in known:
            raise BadInput(f"--where {text}: {unknown(f'axis of {record.name}', column, known)}")
        values = dict.fromkeys(c.columns[column] for c in record.conditions)
        if not any(where.keeps(v) for v in values):
            there = ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in values)
            raise BadInput(f"--where {text}: {record.name} has {column} {there}")
    return where

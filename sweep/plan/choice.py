"""Which configuration of a search is confirmed: the best of its trials, or of a shortlist of them.

One search trains each configuration once, under one seed, so that the best value is the value of a
lucky one more often than not. A shortlist trains the best few again, each on the same streams of
first weights and batches on the search's own split, and takes the best mean. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from trainers.fields import Value


@dataclass(frozen=True)
class Candidate:
    """A trial that is complete: its number, configuration, and best validation value."""

    number: int
    params: Mapping[str, Value]
    value: float


def best_first(candidates: Iterable[Candidate], maximize: bool) -> list[Candidate]:
    """Configurations from the best on, each once; of equals the earliest comes first."""
    sign = -1.0 if maximize else 1.0
    found: dict[frozenset[tuple[str, Value]], Candidate] = {}
    for candidate in sorted(candidates, key=lambda c: (sign * c.value, c.number)):
        found.setdefault(frozenset(candidate.params.items()), candidate)
    return list(found.values())


def best_mean(values: Mapping[int, Sequence[float | None]], maximize: bool) -> int | None:
    """The trial with the best mean over its streams; of equals the first in ``values``.

    ``values``: by trial, from the best of the search on. A stream that failed is None, and rules
    its configuration out. None where all are ruled out.
    """
    sign = 1.0 if maximize else -1.0
    means = {
        number: sign * fmean(value for value in streams if value is not None)
        for number, streams in values.items()
        if None not in streams
    }
    return max(means, key=means.__getitem__) if means else None

"""What is measured of responses that a student wrote, against references.

n examples, R columns; numbers of tokens, whatever is no token behind their ends. Lengths (n,) do
not count the end of a response.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainers.sequences.edit_distance import edit_distances

Ids = NDArray[np.int64]
Lengths = NDArray[np.int64]


def lengths_of(ids: Ids, end: int, padding: int) -> Lengths:
    """Tokens before the end of each response, or before its padding where it was cut."""
    over = (ids == end) | (ids == padding)
    found: Lengths = np.where(over.any(1), over.argmax(1), ids.shape[1]).astype(np.int64)
    return found


def common_lengths(a: Ids, of_a: Lengths, b: Ids, of_b: Lengths) -> NDArray[np.int64]:
    """The length (n,) of the longest common subsequence of each pair."""
    n, most_a, most_b = len(a), int(of_a.max(initial=0)), int(of_b.max(initial=0))
    inside = np.arange(most_b) < of_b[:, None]
    table = np.zeros((n, most_b + 1), np.int64)
    for i in range(most_a):
        same = (a[:, i : i + 1] == b[:, :most_b]) & inside & (i < of_a)[:, None]
        now = np.zeros_like(table)
        for j in range(most_b):
            longer = np.maximum(table[:, j + 1], now[:, j])
            now[:, j + 1] = np.where(same[:, j], table[:, j] + 1, longer)
        table = now
    return table[:, -1]


@dataclass(frozen=True)
class Written:
    """What one lane wrote (n, R), the ``references`` (n, R), and the numbers of end and padding."""

    written: Ids
    references: Ids
    end: int
    padding: int

    @cached_property
    def of_written(self) -> Lengths:
        return lengths_of(self.written, self.end, self.padding)

    @cached_property
    def of_references(self) -> Lengths:
        return lengths_of(self.references, self.end, self.padding)

    @cached_property
    def distances(self) -> NDArray[np.int64]:
        return edit_distances(self.written, self.of_written, self.references, self.of_references)


def _token_error_rate(found: Written) -> float:
    return 100.0 * float(found.distances.sum()) / max(int(found.of_references.sum()), 1)


def _exact_match(found: Written) -> float:
    return 100.0 * float((found.distances == 0).mean())


def _mean_length(found: Written) -> float:
    return float(found.of_written.mean())


def _truncated(found: Written) -> float:
    return 100.0 * float((found.written != found.end).all(1).mean())


def _rouge_l(found: Written) -> float:
    common = common_lengths(found.written, found.of_written, found.references, found.of_references)
    total = found.of_written + found.of_references
    return 100.0 * float((2 * common / np.maximum(total, 1)).mean())


# By the name of the metric.
MEASURES: Mapping[str, Callable[[Written], float]] = {
    "token_error_rate": _token_error_rate,
    "exact_match": _exact_match,
    "mean_length": _mean_length,
    "truncated": _truncated,
    "rouge_l": _rouge_l,
}


def measured(found: Sequence[Written], name: str) -> list[float]:
    """A metric of every lane."""
    return [MEASURES[name](of_lane) for of_lane in found]

"""What is measured of transcripts, and of when symbols are said.

n utterances, T frames of output, U columns of targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainers.ctc.data.dataset import BLANK, STRIDE, Labels, target_lengths
from trainers.data.tokenizer import PADDING
from trainers.sequences.edit_distance import edit_distances

Path = NDArray[np.int64]
Spans = NDArray[np.int64]


@dataclass(frozen=True)
class Transcribed:
    """What one lane says (n, T) and the ``references`` (n, U), labels with `PADDING` behind them;
    ``space``: the number of what stands between words, None where there are none."""

    said: Labels
    references: Labels
    space: int | None = None

    @cached_property
    def error_rate(self) -> float:
        """CER in percent: the edits of all utterances over the labels of all references, so that it
        may be above 100."""
        return _rate(self.said, self.references)

    @cached_property
    def word_error_rate(self) -> float:
        """WER in percent, the same of words; NaN where there are none."""
        if self.space is None:
            return float("nan")
        number: dict[tuple[int, ...], int] = {}
        said, references = (
            _padded([_words(row, self.space, number) for row in labels])
            for labels in (self.said, self.references)
        )
        return _rate(said, references)


def alignment(path: Path, labels: Labels, spans: Spans) -> float:
    """The share of spikes, in percent, in the span (n, U, 2) of some label (n, U) of their symbol;
    a spike is the first frame of output of each that says a symbol. NaN where there is none.

    ``path`` (n, T): a symbol of each frame of output. Spans are in frames of utterances.
    """
    before = np.concatenate([np.full_like(path[:, :1], BLANK), path[:, :-1]], axis=1)
    rows, frames = np.nonzero((path != BLANK) & (path != before))
    if not len(rows):
        return float("nan")
    place = frames[:, None] * STRIDE
    inside = (spans[rows, :, 0] <= place) & (place < spans[rows, :, 1])
    own = labels[rows] == path[rows, frames][:, None]
    return 100.0 * float((inside & own).any(1).mean())


def even_alignment(labels: Labels, lengths: NDArray[np.int64], spans: Spans) -> float:
    """That of spikes that are evenly spaced over each utterance, of ``lengths`` (n,) frames, one
    for each label."""
    count = target_lengths(labels)
    rows, columns = np.nonzero(labels != PADDING)
    place = (columns + 0.5) / count[rows] * lengths[rows]
    begin, end = spans[rows, columns].T
    return 100.0 * float(((begin <= place) & (place < end)).mean())


def _rate(said: Labels, references: Labels) -> float:
    lengths = target_lengths(references)
    edits = edit_distances(said, target_lengths(said), references, lengths)
    return 100.0 * float(edits.sum()) / max(int(lengths.sum()), 1)


def _words(labels: Labels, space: int, number: dict[tuple[int, ...], int]) -> list[int]:
    """The words of a transcript (U,), as numbers that ``number`` gives each."""
    words: list[list[int]] = [[]]
    for label in labels[labels != PADDING].tolist():
        if label == space:
            words.append([])
        else:
            words[-1].append(label)
    return [number.setdefault(tuple(word), len(number)) for word in words if word]


def _padded(rows: Sequence[Sequence[int]]) -> Labels:
    """Rows of different lengths as (n, longest)."""
    padded = np.full((len(rows), max(map(len, rows), default=0)), PADDING, np.int64)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded

"""Utterances in memory: frames, and the symbols that are said in them without a word of when.

N utterances, T frames of the longest, F numbers of a frame, U labels of the longest target, C
symbols with the blank, which is symbol 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from trainers.data import dataset
from trainers.data.dataset import NOTHING_TOLD, DatasetInfo
from trainers.data.errors import DataError, counted
from trainers.data.given_splits import GivenSplits
from trainers.data.tokenizer import PADDING
from trainers.settings import DataSpec

BLANK = 0
# Frames of an utterance for one of a network's output: every network of the task has the same
# rate, so that outputs of teachers fit students.
STRIDE = 2
SPACE = " "

Labels = NDArray[np.int64]
Lengths = NDArray[np.int64]


@dataclass(frozen=True)
class Utterances(dataset.Dataset):
    """``frames`` (N, T, F) float32, zero behind the end of each; ``lengths`` (N,) of them;
    ``labels`` (N, U) int64 from 1, `PADDING` behind the end of a target.

    ``symbols``: what the numbers from 1 stand for, C - 1 texts; where a space is one of them, words
    are what stands between spaces. ``spans`` (N, U, 2): the first frame of each symbol and the one
    behind its last, where that is known. ``groups`` (N,): what belongs together, as made of the
    same parts or said by one speaker, and is never split. ``names``: what each is called, as a
    file; empty where they have none. ``sample_rate``: of the recordings that frames are features
    of, in Hz; 0 where they are as they came.
    """

    frames: NDArray[np.float32]
    lengths: Lengths
    labels: Labels
    symbols: tuple[str, ...]
    spans: NDArray[np.int64] | None = None
    groups: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    sample_rate: int = 0
    official_test: int = 0
    info: DatasetInfo = NOTHING_TOLD
    given_splits: GivenSplits | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Lengths of targets; groups where there are some, so that a part has as many of each."""
        return target_lengths(self.labels) if self.groups is None else self.groups

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.frames.shape[1:])

    @property
    def has_words(self) -> bool:
        """Whether its targets are words with spaces between them."""
        return SPACE in self.symbols

    def text(self, labels: Sequence[int] | Labels) -> str:
        """What labels, `PADDING` among them, say."""
        return text_of(labels, self.symbols)

    def name(self, row: int) -> str:
        """What an utterance is called in a sentence."""
        return self.names[row] if self.names else f"utterance {row} (counted from 0)"

    def take(self, rows: NDArray[np.int64], official_test: int) -> Self:
        return replace(
            self, frames=self.frames[rows], lengths=self.lengths[rows], labels=self.labels[rows],
            spans=None if self.spans is None else self.spans[rows],
            groups=None if self.groups is None else self.groups[rows],
            names=tuple(self.names[row] for row in rows) if self.names else (),
            official_test=official_test, given_splits=None,
        )  # fmt: skip

    def with_splits(self, rows: GivenSplits) -> Self:
        return replace(self, given_splits=rows)

    def problem(self, spec: DataSpec) -> str | None:
        if problem := self._misfit() or self._strays():
            return problem
        if len(self) < 2:
            return f"{counted(len(self), 'utterance')}; at least two are needed"
        empty = np.flatnonzero(target_lengths(self.labels) == 0)
        if len(empty):
            return (
                f"nothing is said in {counted(len(empty), 'utterance')}, the first of them "
                f"{self.name(empty[0])}; give what is said there, or drop these"
            )
        short = np.flatnonzero(~feasible(self.lengths, self.labels))
        if len(short):
            return (
                f"{counted(len(short), 'utterance')} too short for what is said there, the first "
                f"of them {self.name(short[0])} with {output_frames(self.lengths[short[0]])} "
                f"frames of output for {frames_needed(self.labels[short])[0]}; drop these"
            )
        return None

    def _misfit(self) -> str | None:
        """Why it does not hold utterances, as code of the user's own may give them."""
        n, count = len(self.frames), len(self.symbols)
        if self.frames.dtype != np.float32 or self.frames.ndim != 3:
            return (
                f"its frames are {self.frames.dtype} of the shape {self.frames.shape}; give "
                "float32, utterances by frames by numbers"
            )
        if self.lengths.shape != (n,) or self.labels.ndim != 2 or len(self.labels) != n:
            return (
                f"its {n} utterances have lengths of the shape {self.lengths.shape} and labels of "
                f"the shape {self.labels.shape}; give one of each for every utterance"
            )
        if n and not 1 <= self.lengths.min() <= self.lengths.max() <= self.frames.shape[1]:
            return (
                f"its lengths go from {self.lengths.min()} to {self.lengths.max()}; of frames they "
                f"are 1 to {self.frames.shape[1]}"
            )
        said = self.labels[self.labels != PADDING]
        if said.size and not 1 <= said.min() <= said.max() <= count:
            return (
                f"its labels go from {said.min()} to {said.max()}; of {counted(count, 'symbol')} "
                f"they are 1 to {count}, and {PADDING} behind the end"
            )
        if not np.isfinite(self.frames).all():
            return "its frames hold NaN or infinity; mend or drop these"
        return None

    def _strays(self) -> str | None:
        """Why what is told beside its utterances and their labels is not of these, or None."""
        wanted = {"spans": (*self.labels.shape, 2), "groups": (len(self),), "names": (len(self),)}
        told = {"spans": self.spans, "groups": self.groups, "names": self.names or None}
        for name, shape in wanted.items():
            given = told[name]
            if given is not None and np.shape(given) != shape:
                return f"its {name} have the shape {np.shape(given)}; give {shape}, or none"
        return None


def target_lengths(labels: Labels) -> Lengths:
    """U_i of targets (..., U)."""
    lengths: Lengths = (labels != PADDING).sum(-1)
    return lengths


def output_frames(lengths: Any) -> Any:
    """Frames of output for so many frames."""
    return (lengths + STRIDE - 1) // STRIDE


def frames_needed(labels: Labels) -> Lengths:
    """The fewest frames of output that can say targets (..., U): one for each symbol, and a blank
    between equal neighbours."""
    there = labels != PADDING
    repeats = ((labels[..., 1:] == labels[..., :-1]) & there[..., 1:]).sum(-1)
    needed: Lengths = there.sum(-1) + repeats
    return needed


def feasible(lengths: Lengths, labels: Labels) -> NDArray[np.bool_]:
    """Which targets (..., U) can be said in so many frames (...,)."""
    found: NDArray[np.bool_] = output_frames(lengths) >= frames_needed(labels)
    return found


def text_of(labels: Sequence[int] | Labels, symbols: Sequence[str]) -> str:
    """What labels say; `PADDING` says nothing."""
    return "".join(symbols[int(label) - 1] for label in labels if label != PADDING)


def labels_of(texts: Sequence[str], symbols: Sequence[str]) -> Labels:
    """Texts (N,), a symbol a character, as labels (N, U); DataError where one is unknown."""
    number = {symbol: place + 1 for place, symbol in enumerate(symbols)}
    if unknown := sorted({c for text in texts for c in text} - number.keys()):
        raise DataError(f"{unknown[0]!r} is none of the symbols {''.join(symbols)!r}")
    labels = np.full((len(texts), max(map(len, texts), default=0)), PADDING, np.int64)
    for row, text in enumerate(texts):
        labels[row, : len(text)] = [number[c] for c in text]
    return labels

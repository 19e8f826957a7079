"""NOISE_KINDS: how targets are corrupted, never so that none of them can be said. Free of torch.

n utterances of a split, U columns of targets, rate in [0, 1].

The rate is that of utterances: at 30 % of wrong labels three quarters of targets of four labels
would hold an error, and whether an utterance is corrupted would say little. Of an utterance that is
chosen each label is changed with the probability `SHARE`. What changes nothing, or leaves too few
frames for what is said then, is drawn again: after every `PATIENCE` draws with half as many
changes, but with `LEAST` at least. Where `TRIES` draws find none, the target stays.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.ctc.data.dataset import Labels, Lengths, feasible
from trainers.data.tokenizer import PADDING
from trainers.entries import NoiseEntry

SHARE, PATIENCE, TRIES = 0.5, 5, 50
LEAST = 0.5  # changes of a target, on average
# From the labels of one target, how many symbols there are, and the share to change: another one.
Edit = Callable[[NDArray[np.int64], int, float, np.random.Generator], NDArray[np.int64]]


class Transcripts(NamedTuple):
    """What a noise kind may look at: ``labels`` (n, U), `PADDING` behind their ends, with room for
    twice as many as the longest has; ``lengths`` (n,) of the utterances in frames; ``symbols``: how
    many there are, numbered from 1."""

    labels: Labels
    lengths: Lengths
    symbols: int


def corrupted_labels(
    transcripts: Transcripts, kind: str, rate: float, rng: np.random.Generator
) -> Labels:
    """New ones (n, U); at rate 0 the true ones, whatever the kind."""
    if rate == 0:
        return transcripts.labels.copy()
    given: Labels = NOISE_KINDS[kind].corrupt(transcripts, rate, rng)
    return given


def _edited(edit: Edit) -> Callable[[Transcripts, float, np.random.Generator], Labels]:
    """The kind that puts round(rate n) targets, chosen at random, through ``edit``."""

    def corrupt(transcripts: Transcripts, rate: float, rng: np.random.Generator) -> Labels:
        noisy = transcripts.labels.copy()
        for row in rng.permutation(len(noisy))[: round(rate * len(noisy))]:
            said = noisy[row][noisy[row] != PADDING]
            for turn in range(TRIES):
                share = max(SHARE / 2 ** (turn // PATIENCE), LEAST / len(said))
                other = _padded(edit(said, transcripts.symbols, share, rng), noisy.shape[1])
                if _is_other(other, noisy[row]) and feasible(transcripts.lengths[row], other):
                    noisy[row] = other
                    break
        return noisy

    return corrupt


def _substitute(
    said: NDArray[np.int64], symbols: int, share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    other = 1 + (said - 1 + rng.integers(1, max(symbols, 2), len(said))) % symbols
    return np.where(rng.random(len(said)) < share, other, said)


def _delete(
    said: NDArray[np.int64], symbols: int, share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    return said[rng.random(len(said)) >= share]


def _insert(
    said: NDArray[np.int64], symbols: int, share: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    behind = np.flatnonzero(rng.random(len(said)) < share) + 1
    return np.insert(said, behind, rng.integers(1, symbols + 1, len(behind)))


def _swap(transcripts: Transcripts, rate: float, rng: np.random.Generator) -> Labels:
    """round(rate n) utterances, two at least, exchange targets, each with another one.

    The first place is drawn for all in one circle; two of them whose targets do not fit then, or
    stay what they were, change with others where that makes both fit. What finds no place stays,
    and another may have its target too.
    """
    labels, noisy = transcripts.labels, transcripts.labels.copy()
    n = len(labels)
    chosen = rng.permutation(n)[: max(round(rate * n), 2)]
    of = np.roll(chosen, 1)

    def fits(place: int, source: int) -> bool:
        row = chosen[place]
        there = feasible(transcripts.lengths[row], labels[source])
        return bool(there) and not np.array_equal(labels[source], labels[row])

    for place in range(len(chosen)):
        if fits(place, of[place]):
            continue
        for other in rng.permutation(len(chosen))[:TRIES]:
            if fits(place, of[other]) and fits(other, of[place]):
                of[place], of[other] = of[other], of[place]
                break
    for place in range(len(chosen)):
        if fits(place, of[place]):
            noisy[chosen[place]] = labels[of[place]]
    return noisy


def _padded(said: NDArray[np.int64], columns: int) -> Labels:
    labels = np.full(columns, PADDING, np.int64)
    labels[: len(said)] = said[:columns]
    return labels


def _is_other(other: Labels, labels: Labels) -> bool:
    return bool(other[0] != PADDING) and not np.array_equal(other, labels)


NOISE_KINDS: Mapping[str, NoiseEntry] = {
    "substitute": NoiseEntry(
        _edited(_substitute),
        "in some utterances each label becomes another symbol with probability 1/2; the rate is "
        "that of utterances",
        "own",
    ),
    "delete": NoiseEntry(
        _edited(_delete),
        "in some utterances each label is left out with probability 1/2, never all; the rate is "
        "that of utterances",
        "own",
    ),
    "insert": NoiseEntry(
        _edited(_insert),
        "in some utterances a symbol is put in behind each label with probability 1/2; the rate is "
        "that of utterances",
        "own",
    ),
    "swap": NoiseEntry(
        _swap,
        "utterances exchange their transcripts; the rate is that of utterances that do",
        "own",
    ),
}

"""NOISE_KINDS: how responses are corrupted. Free of torch.

n examples of a split, R columns of responses, V tokens; rate in [0, 1].
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.tokenizer import PADDING
from trainers.entries import NoiseEntry

Ids = NDArray[np.int32]


class Responses(NamedTuple):
    """What a noise kind may look at: ``ids`` (n, R), `PADDING` behind their ends; ``end``: the
    number of what ends one; ``said`` (S,): the tokens that occur in the responses of the whole data
    set, the end not among them."""

    ids: Ids
    end: int
    said: NDArray[np.int64]


def corrupted_responses(
    responses: Responses, kind: str, rate: float, rng: np.random.Generator
) -> Ids:
    """New ones (n, R); at rate 0 the true ones, whatever the kind."""
    if rate == 0:
        return responses.ids.copy()
    given: Ids = NOISE_KINDS[kind].corrupt(responses, rate, rng)
    return given


def _swap(responses: Responses, rate: float, rng: np.random.Generator) -> Ids:
    """round(rate n) of them, two at least, change places in one circle, so that none stays."""
    noisy, n = responses.ids.copy(), len(responses.ids)
    chosen = rng.permutation(n)[: max(round(rate * n), 2)]
    noisy[chosen] = responses.ids[np.roll(chosen, 1)]
    return noisy


def _substitute(responses: Responses, rate: float, rng: np.random.Generator) -> Ids:
    """round(rate m) of their m tokens, ends aside, become another of those that occur, each as
    likely."""
    noisy = responses.ids.copy()
    rows, columns = np.nonzero((noisy != PADDING) & (noisy != responses.end))
    chosen = rng.permutation(len(rows))[: round(rate * len(rows))]
    rows, columns = rows[chosen], columns[chosen]
    place = np.searchsorted(responses.said, noisy[rows, columns])
    count = len(responses.said)
    if count > 1:
        other = (place + rng.integers(1, count, size=len(place))) % count
        noisy[rows, columns] = responses.said[other]
    return noisy


NOISE_KINDS: Mapping[str, NoiseEntry] = {
    "swap": NoiseEntry(
        _swap,
        "the response of another prompt; the rate is that of responses that change places",
        "own",
    ),
    "substitute": NoiseEntry(
        _substitute,
        "single tokens become another that occurs in responses; the rate is that of tokens",
        "own",
    ),
}

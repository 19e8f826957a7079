"""Which texts are mixed with which, in which shares, and what a teacher says of the mixtures.

N examples of the training split, K mixtures of each in a bank, S tokens, C classes. Everything here
is of one lane and drawn from its seed alone: lanes of one seed share pairs, and where Beta's
parameter is the same, shares.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from trainers.lanes.seeds import numpy_generator
from trainers.text.networks.tokens import Tokens, is_there

# Names the random streams.
PURPOSE = "mixtures"


class Pairs(NamedTuple):
    """Of every example: where its ``partner`` is (N,), and its own ``share`` in the mixture (N,),
    float64."""

    partner: Tensor
    share: Tensor


class Bank(NamedTuple):
    """K pairs of every example, and the teacher's logits ``answers`` (K, N, C) for the mixtures."""

    pairs: tuple[Pairs, ...]
    answers: Tensor


def pairs_of_epoch(seed: int, a: float, n: int, epoch: int) -> Pairs:
    """Fresh ones, a permutation of all examples; ``a``: of Beta(a, a)."""
    return _drawn(seed, a, n, f"epoch {epoch}")


def pairs_of_bank(seed: int, a: float, n: int, count: int) -> tuple[Pairs, ...]:
    """``count`` for every example, drawn once for a whole training."""
    return tuple(_drawn(seed, a, n, f"bank {k}") for k in range(count))


def filled(pairs: tuple[Pairs, ...], answer: Callable[[Pairs], Tensor]) -> Bank:
    """A bank; ``answer``: from pairs (N,) to logits (N, C)."""
    return Bank(pairs, torch.stack([answer(each) for each in pairs]))


def chosen(bank: Bank, seed: int, epoch: int) -> tuple[Pairs, Tensor]:
    """One of the K for every example, another in every epoch: pairs, and answers (N, C)."""
    n = len(bank.pairs[0].share)
    which = numpy_generator(seed, PURPOSE, f"which {epoch}").integers(0, len(bank.pairs), n)
    at, every = torch.as_tensor(which), torch.arange(n)
    partner = torch.stack([pairs.partner for pairs in bank.pairs])[at, every]
    share = torch.stack([pairs.share for pairs in bank.pairs])[at, every]
    return Pairs(partner, share), bank.answers[at, every]


def mixture(ids: Tensor, partner: Tensor, share: Tensor, rule: Callable[..., Tensor]) -> Tokens:
    """Texts ids and partner (L, B, S) in shares (L, B); ``rule``: one of `WEIGHTS`."""
    own, other = is_there(ids, share.dtype), is_there(partner, share.dtype)
    return Tokens(ids, rule(own, other, share.unsqueeze(2)), partner, share)


def _soft(own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return share * own + (1 - share) * other


def _union(own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return torch.maximum(own, other)


def _none(own: Tensor, other: Tensor, share: Tensor) -> Tensor:
    return torch.ones_like(own)


# How much every place of a mixture counts, in attention and in the mean, (L, B, S): from where
# either text has a token, (L, B, S) each, and the share (L, B, 1).
WEIGHTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "soft": _soft,
    "union": _union,
    "none": _none,
}


def _drawn(seed: int, a: float, n: int, what: str) -> Pairs:
    partner = numpy_generator(seed, PURPOSE, "pairs", what).permutation(n)
    share = numpy_generator(seed, PURPOSE, "shares", what).beta(a, a, n)
    return Pairs(torch.as_tensor(partner), torch.as_tensor(np.asarray(share, np.float64)))

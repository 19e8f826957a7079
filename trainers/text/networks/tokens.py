"""What an encoder is shown.

L lanes, B texts, S tokens of each.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING


class Tokens(NamedTuple):
    """Texts, or mixtures of two: ``ids`` (L, B, S), `PADDING` behind the end of a text.

    ``partner`` (L, B, S): the other text of each, of whose embeddings 1 - ``share`` (L, B) comes
    in. ``weight`` (L, B, S): how much every place counts, in attention and in the mean.
    """

    ids: Tensor
    weight: Tensor
    partner: Tensor | None = None
    share: Tensor | None = None

    def each(self, change: Callable[[Tensor], Tensor]) -> "Tokens":
        """The same with every tensor changed."""
        partner = None if self.partner is None else change(self.partner)
        share = None if self.share is None else change(self.share)
        return Tokens(change(self.ids), change(self.weight), partner, share)


def is_there(ids: Tensor, dtype: torch.dtype) -> Tensor:
    """1 where there is a token, 0 behind the end of a text."""
    return (ids != PADDING).to(dtype)


def as_tokens(x: "Tensor | Tokens", dtype: torch.dtype) -> Tokens:
    """Numbers of tokens as they are, unless they are more than that already."""
    return x if isinstance(x, Tokens) else Tokens(x, is_there(x, dtype))

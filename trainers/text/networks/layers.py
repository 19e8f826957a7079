"""Layers of encoders over lanes.

L lanes, B texts of S tokens, D numbers of a token, V words.
Lane l of the output depends on lane l of the input and of the parameters only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.lanes.sequences import Attention, Map, Norm


class Shared:
    """What all copies of what holds it have in common."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __deepcopy__(self, memo: object) -> "Shared":
        return self


class GivenWords(nn.Module):
    """Vectors of words that were learned before, which stay and are all lanes', and a map of them
    that is learned: ``(L, ...) -> (L, ..., D)``.

    The vectors are no part of the weights; what they are mapped to is, of a student by itself.
    """

    def __init__(self, vectors: Tensor, width: int, generators: Sequence[torch.Generator]) -> None:
        """``vectors``: (V, numbers)."""
        super().__init__()
        # Not a buffer: these have a row for each lane.
        self._given = Shared(vectors)
        self.map = Map(vectors.shape[1], width, generators)

    def forward(self, numbers: Tensor) -> Tensor:
        found = self._given.tensor.to(self.map.weight)[numbers.clamp(min=0)]
        mapped: Tensor = self.map(found.flatten(1, -2))
        return mapped.view(*numbers.shape, -1)

    @property
    def count(self) -> int:
        """V."""
        return len(self._given.tensor)

    def mapped(self, weight: Tensor, bias: Tensor) -> Tensor:
        """What all words are to a lane with this map: (V, D)."""
        return self._given.tensor.to(weight) @ weight.T + bias


class Layer(nn.Module):
    """Attention, then two maps with GELU between them, each added to its input and normalised:
    ``(L, B, S, D) -> (L, B, S, D)``."""

    def __init__(
        self, sizes: Mapping[str, Any], epsilon: float, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        width, wide, lanes = sizes["width"], sizes["feed_forward"], len(generators)
        self.attention = Attention(width, sizes["heads"], generators)
        self.attended = Norm(width, lanes, epsilon)
        self.widen = Map(width, wide, generators)
        self.narrow = Map(wide, width, generators)
        self.mapped = Norm(width, lanes, epsilon)

    def forward(self, x: Tensor, log_weight: Tensor) -> Tensor:
        shape = x.shape
        x = self.attended((x + self.attention(x, x, log_weight)).flatten(1, 2))
        mapped: Tensor = self.mapped(x + self.narrow(F.gelu(self.widen(x))))
        return mapped.view(shape)

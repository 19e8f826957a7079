"""Layers of sequences over lanes, places before numbers.

L lanes, N = B S places of a batch, B sequences of S tokens, D numbers of a token, K outputs, V
words. Lane l of the output depends on lane l of the input and of the parameters only.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Embeddings start from N(0, STD^2), as those of BERT's and GPT-2's authors.
STD = 0.02
# Stands for the logarithm of no weight at all: far below any score of attention, and finite.
NOTHING = -1e9
# Numbers that torch's loops on a CPU take at a time, or a multiple of that.
AT_ONCE = 64


def gelu(x: Tensor) -> Tensor:
    """The tanh form of GELU of x (L, ...).

    torch computes the last numbers of a tensor, too few to be taken at once, by another tanh, so
    that they would depend on L; here the numbers of every lane are filled up.
    """
    if torch.compiler.is_exporting():
        # Of one lane, and of batches of any size.
        return F.gelu(x, approximate="tanh")
    flat = x.flatten(1)
    more = -flat.shape[1] % AT_ONCE
    if not more:
        return F.gelu(x, approximate="tanh")
    found = F.gelu(F.pad(flat, (0, more)), approximate="tanh")
    return found[:, : flat.shape[1]].reshape(x.shape)


class Map(nn.Module):
    """W x + b of every place: ``(L, N, D) -> (L, N, K)``; ``weight`` (L, K, D), ``bias`` (L, K).

    W starts as in `torch.nn.Linear`, uniform in +-1/sqrt(D), b at zero: BERT's N(0, 0.02^2) is for
    layers ten times as wide.
    """

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1 / math.sqrt(inputs)
        drawn = [
            torch.empty(outputs, inputs).uniform_(-bound, bound, generator=g) for g in generators
        ]
        self.weight = nn.Parameter(torch.stack(drawn))
        self.bias = nn.Parameter(torch.zeros(len(generators), outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class Norm(nn.Module):
    """Layer normalisation of every place: ``(L, N, D) -> (L, N, D)``."""

    def __init__(self, width: int, lanes: int, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(lanes, width))
        self.bias = nn.Parameter(torch.zeros(lanes, width))

    def forward(self, x: Tensor) -> Tensor:
        standard = F.layer_norm(x, x.shape[-1:], eps=self.epsilon)
        return standard * self.weight.unsqueeze(1) + self.bias.unsqueeze(1)


class Attention(nn.Module):
    """Attention of the places of sequences to those of others, which may be the same, and a map of
    what it found: ``(L, B, S, D), (L, B, U, D) -> (L, B, S, D)``.

    Written as products and a softmax: forward mode goes through these, and not through torch's
    fused ones.

    Source: Vaswani et al. 2017, arXiv 1706.03762.
    """

    def __init__(self, width: int, heads: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.heads = heads
        self.query = Map(width, width, generators)
        self.key = Map(width, width, generators)
        self.value = Map(width, width, generators)
        self.output = Map(width, width, generators)

    def forward(self, x: Tensor, to: Tensor, bias: Tensor) -> Tensor:
        """``bias`` (L, B, U): added to what each place is attended with; `NOTHING` where it is
        not."""
        lanes, examples, places, width = x.shape

        def by_head(t: Tensor, of: Map) -> Tensor:
            shape = (lanes, examples, t.shape[2], self.heads, width // self.heads)
            mapped: Tensor = of(t.flatten(1, 2))
            return mapped.view(shape).transpose(2, 3).reshape(-1, t.shape[2], shape[-1])

        query, key, value = by_head(x, self.query), by_head(to, self.key), by_head(to, self.value)
        scores = torch.bmm(query, key.mT) / math.sqrt(width // self.heads)
        scores = scores.view(lanes, examples, self.heads, places, -1) + bias[:, :, None, None]
        found = torch.bmm(torch.softmax(scores, dim=-1).flatten(0, 2), value)
        found = found.view(lanes, examples, self.heads, places, -1).transpose(2, 3)
        mapped: Tensor = self.output(found.reshape(lanes, examples * places, width))
        return mapped.view(x.shape)


class Embedding(nn.Module):
    """A vector for each of V numbers: ``(L, ...) -> (L, ..., D)``; ``weight`` (L, V, D).

    Numbers below 0 give that of 0, which the caller has to leave out.
    """

    def __init__(self, count: int, width: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.weight = nn.Parameter(_drawn((count, width), generators))

    def forward(self, numbers: Tensor) -> Tensor:
        lanes, count, width = self.weight.shape
        first = torch.arange(lanes, device=numbers.device) * count
        places = numbers.clamp(min=0).flatten(1) + first.unsqueeze(1)
        return self.weight.flatten(0, 1)[places.flatten()].view(*numbers.shape, width)


def _drawn(shape: tuple[int, ...], generators: Sequence[torch.Generator]) -> Tensor:
    """Lane by lane from its own generator: ``(L, *shape)``."""
    return torch.stack([torch.empty(shape).normal_(0.0, STD, generator=g) for g in generators])

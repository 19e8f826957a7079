"""A decoder over lanes, with the layers of GPT-2.

L lanes, B examples, S = P + R columns of a prompt and its response, D numbers of a token, V tokens,
h heads.

x     embedding of the token plus that of its position, which counts tokens and no padding
x <- x + attention(norm(x));  x <- x + narrow(gelu(widen(norm(x))))      every layer
z     W norm(x) + b

Every place attends to itself and the places before it that are no padding. Source: Radford et al.
2019 ("Language Models are Unsupervised Multitask Learners"); the last layer is a matrix of its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainers.data.tokenizer import PADDING
from trainers.lanes.layers import Linear
from trainers.lanes.network import Output
from trainers.lanes.sequences import NOTHING, Embedding, Map, Norm, gelu
from trainers.language.networks.network import LanguageNetwork, SequenceFacts
from trainers.settings import ModelSpec

EPSILON = 1e-5


@dataclass
class Cache:
    """Keys and values of the columns so far: of every layer (L B h, S, D / h) each, the first
    ``filled`` columns of it; ``bias`` (L, B, S): `NOTHING` where there is padding, else 0;
    ``place`` (L, B): the position of the next token."""

    bias: Tensor
    place: Tensor
    filled: int
    layers: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class _Attention(nn.Module):
    """``(L, B, S, D) -> (L, B, S, D)``."""

    def __init__(self, width: int, heads: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.heads = heads
        self.query = Map(width, width, generators)
        self.key = Map(width, width, generators)
        self.value = Map(width, width, generators)
        self.output = Map(width, width, generators)

    def forward(
        self, x: Tensor, bias: Tensor, before: tuple[Tensor, Tensor, int] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """With the keys and values of the columns of x.

        ``bias`` (L, B, 1, S, columns): added to what places attend to others with. ``before``: keys
        and values of all columns with room for those of x, and how many there are before them.
        """
        lanes, examples, columns, width = x.shape
        flat = x.flatten(1, 2)

        def by_head(t: Tensor) -> Tensor:
            shape = (lanes, examples, columns, self.heads, width // self.heads)
            return t.view(shape).transpose(2, 3).reshape(-1, columns, width // self.heads)

        query, key, value = (by_head(m(flat)) for m in (self.query, self.key, self.value))
        if before is not None:
            keys, values, filled = before
            keys[:, filled : filled + columns] = key
            values[:, filled : filled + columns] = value
            key, value = keys[:, : filled + columns], values[:, : filled + columns]
        scores = torch.bmm(query, key.mT) / math.sqrt(width // self.heads)
        scores = scores.view(lanes, examples, self.heads, columns, -1) + bias
        attended = torch.softmax(scores, dim=-1)
        found = torch.bmm(attended.flatten(0, 2), value)
        found = found.view(lanes, examples, self.heads, columns, -1).transpose(2, 3)
        mapped: Tensor = self.output(found.reshape(lanes, examples * columns, width))
        return mapped.view_as(x), key, value


class _Layer(nn.Module):
    def __init__(self, sizes: Mapping[str, Any], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        width, wide, lanes = sizes["width"], sizes["feed_forward"], len(generators)
        self.attending = Norm(width, lanes, EPSILON)
        self.attention = _Attention(width, sizes["heads"], generators)
        self.mapping = Norm(width, lanes, EPSILON)
        self.widen = Map(width, wide, generators)
        self.narrow = Map(wide, width, generators)

    def forward(
        self, x: Tensor, bias: Tensor, before: tuple[Tensor, Tensor, int] | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `_Attention.forward`."""
        flat: Tensor = self.attending(x.flatten(1, 2))
        attended, key, value = self.attention(flat.view(x.shape), bias, before)
        x = x + attended
        wide = gelu(self.widen(self.mapping(x.flatten(1, 2))))
        mapped: Tensor = self.narrow(wide)
        return x + mapped.view(x.shape), key, value


class Decoder(LanguageNetwork):
    """A decoder from random weights."""

    keeps_prompts = True

    def __init__(
        self, spec: ModelSpec, facts: SequenceFacts, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        sizes = spec.sizes
        width, columns = sizes["width"], facts.prompts + facts.responses
        self.facts = facts
        self.widest = columns * max(sizes["feed_forward"], sizes["heads"] * columns)
        self.words = Embedding(facts.vocabulary, width, generators)
        self.positions = Embedding(columns, width, generators)
        self.layers = nn.ModuleList(_Layer(sizes, generators) for _ in range(sizes["layers"]))
        self.last = Norm(width, len(generators), EPSILON)
        self.head = Linear(width, facts.vocabulary, generators, zero_bias=True)

    def forward(self, x: Tensor) -> Output:
        # What comes after the last token is not asked.
        ids = x[:, :, :-1]
        there = ids != PADDING
        place = (there.cumsum(2) - 1).clamp(min=0)
        columns = ids.shape[2]
        later = torch.ones(columns, columns, dtype=torch.bool, device=x.device).triu(1)
        hidden = ~there.unsqueeze(2).unsqueeze(2) | later
        h = self._embedded(ids, place)
        bias = torch.zeros(hidden.shape, dtype=h.dtype, device=x.device)
        bias = bias.masked_fill_(hidden, NOTHING)
        for layer in self.layers:
            h, _, _ = layer(h, bias)
        return self._told(h[:, :, self.facts.prompts - 1 :])

    @property
    def matrices(self) -> list[str]:
        return [f"layers.{name}" for name, p in self.layers.named_parameters() if p.dim() == 3]

    @torch.no_grad()
    def begin(self, prompts: Tensor) -> tuple[Tensor, Cache]:
        lanes, examples, columns = prompts.shape
        room = columns + self.facts.responses
        there = prompts != PADDING
        place = (there.cumsum(2) - 1).clamp(min=0)
        h = self._embedded(prompts, place)
        bias = h.new_zeros(lanes, examples, room)
        bias[:, :, :columns] = bias[:, :, :columns].masked_fill(~there, NOTHING)
        cache = Cache(bias, there.sum(2), columns)
        later = h.new_zeros(columns, columns).masked_fill_(
            torch.ones(columns, columns, dtype=torch.bool, device=h.device).triu(1), NOTHING
        )
        own = bias[:, :, None, None, :columns] + later
        for layer in self.layers:
            h, key, value = layer(h, own)
            keys, values = (t.new_empty(len(t), room, t.shape[2]) for t in (key, value))
            keys[:, :columns], values[:, :columns] = key, value
            cache.layers.append((keys, values))
        return self._told(h[:, :, -1:]).logits.squeeze(2), cache

    @torch.no_grad()
    def step(self, tokens: Tensor, cache: Cache) -> Tensor:
        return self._after(tokens.unsqueeze(2), cache).squeeze(2)

    @torch.no_grad()
    def follow(self, tokens: Tensor, cache: Cache) -> Tensor:
        return self._after(tokens, cache)

    def kept(self, cache: Cache) -> tuple[Tensor, ...]:
        lanes, examples, _ = cache.bias.shape
        columns = [t[:, : cache.filled] for pair in cache.layers for t in pair]
        by_example = [t.reshape(lanes, examples, -1, *t.shape[1:]) for t in columns]
        return cache.bias, cache.place, *by_example

    def cache_of(self, kept: tuple[Tensor, ...]) -> Cache:
        bias, place, *columns = kept
        room, filled = bias.shape[2], self.facts.prompts

        def with_room(t: Tensor) -> Tensor:
            lanes, examples, heads, _, width = t.shape
            made = t.new_empty(lanes * examples * heads, room, width)
            made[:, :filled] = t.flatten(0, 2)
            return made

        pairs = zip(columns[::2], columns[1::2], strict=True)
        layers = [(with_room(key), with_room(value)) for key, value in pairs]
        return Cache(bias, place, filled, layers)

    def _after(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Logits (L, B, T, V) of what follows each of tokens (L, B, T), which the cache takes."""
        count = tokens.shape[2]
        column = torch.arange(count, device=tokens.device)
        h = self._embedded(tokens, cache.place.unsqueeze(2) + column)
        bias = cache.bias[:, :, None, None, : cache.filled + count]
        if count > 1:
            later = torch.ones(count, count, dtype=torch.bool, device=h.device).triu(1)
            own = h.new_zeros(count, cache.filled + count)
            own[:, cache.filled :] = own[:, cache.filled :].masked_fill(later, NOTHING)
            bias = bias + own
        for layer, (keys, values) in zip(self.layers, cache.layers, strict=True):
            h, _, _ = layer(h, bias, (keys, values, cache.filled))
        cache.filled += count
        cache.place = cache.place + count
        return self._told(h).logits

    def _embedded(self, ids: Tensor, place: Tensor) -> Tensor:
        """x of every column, ``(L, B, columns, D)``."""
        of_words: Tensor = self.words(ids)
        of_places: Tensor = self.positions(place)
        return of_words + of_places

    def _told(self, h: Tensor) -> Output:
        """From the last layer's x (L, B, T, D) to features and logits."""
        flat: Tensor = self.last(h.flatten(1, 2))
        # A product with examples last, as everywhere.
        logits: Tensor = self.head(flat.mT).mT
        return Output(flat.view(h.shape), logits.reshape(*h.shape[:3], -1))

"""Encoders of texts over lanes.

L lanes, B texts, S tokens of each, D numbers of a token, C classes, V words.

e     the mean, weighted by how much a place counts, of all places after the last layer   (L, B, D)
z     W e + b                                                                             (L, B, C)

A mixture is made of embeddings of words, before those of positions come in, and their
normalisation: share m of one text, 1 - m of the other, with zeros behind the end of either.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.sequences import NOTHING, Embedding, Map, Norm
from trainers.settings import ModelSpec
from trainers.text.facts import TextFacts
from trainers.text.networks.layers import GivenWords, Layer
from trainers.text.networks.tokens import Tokens, as_tokens, is_there

EPSILON = 1e-12
# Names of weights: what words are to a student by itself, and the map that makes it of given ones.
WORDS, MAP = "body.words.weight", "body.words.map."


class Body(nn.Module):
    """From tokens to e: embeddings and layers. ``sizes``: width, layers, heads, feed_forward,
    positions, vocabulary; ``words``: by default vectors of their own, from random ones; ``pooled``:
    e is made of the first place alone, by a map and tanh, as BERT's classifiers have it."""

    def __init__(
        self,
        sizes: Mapping[str, Any],
        epsilon: float,
        generators: Sequence[torch.Generator],
        words: Embedding | GivenWords | None = None,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        width, lanes = sizes["width"], len(generators)
        self.words = words or Embedding(sizes["vocabulary"], width, generators)
        self.positions = Embedding(sizes["positions"], width, generators)
        self.embedded = Norm(width, lanes, epsilon)
        self.layers = nn.ModuleList(
            Layer(sizes, epsilon, generators) for _ in range(sizes["layers"])
        )
        self.pooler = Map(width, width, generators) if pooled else None

    def forward(self, tokens: Tokens) -> Tensor:
        """Features ``(L, B, D)``."""
        lanes, _, length = tokens.ids.shape
        place = torch.arange(length, device=tokens.ids.device).expand(lanes, length)
        x = self._mixed(tokens) + self.positions(place).unsqueeze(1)
        x = self.embedded(x.flatten(1, 2)).view(x.shape)
        weight = tokens.weight
        log_weight = weight.log().clamp(min=NOTHING)
        for layer in self.layers:
            x = layer(x, log_weight)
        if self.pooler is not None:
            return torch.tanh(self.pooler(x[:, :, 0]))
        total = weight.sum(2, keepdim=True)
        return torch.einsum("lbs,lbsd->lbd", weight / total, x)

    def _mixed(self, tokens: Tokens) -> Tensor:
        """Embeddings of words, ``(L, B, S, D)``."""
        own: Tensor = self.words(tokens.ids)
        if tokens.partner is None or tokens.share is None:
            return own
        share = tokens.share[:, :, None, None]
        there, other = (is_there(t, own.dtype).unsqueeze(3) for t in (tokens.ids, tokens.partner))
        its: Tensor = self.words(tokens.partner)
        return share * there * own + (1 - share) * other * its


class Encoder(LaneNetwork):
    """A body, and the linear layer ``head`` on what it makes of a text."""

    head: Linear

    def features(self, tokens: Tokens) -> Tensor:
        """e ``(L, B, D)``."""
        raise NotImplementedError

    def forward(self, x: Any) -> Output:
        e = self.features(as_tokens(x, self.head.weight.dtype))
        return Output(e, self.head(e.mT).mT)


class Transformer(Encoder):
    """A student from random weights; what its words are made of may be given.

    Then the vectors of a pretrained network stay as they are, and a map of them is learned. A
    student by itself has what they are mapped to in their place, and needs that network no more.
    """

    def __init__(
        self, spec: ModelSpec, facts: TextFacts, generators: Sequence[torch.Generator]
    ) -> None:
        """ValueError where words are to be given, and there is no network to take them of."""
        super().__init__()
        sizes = {**spec.sizes, "positions": facts.max_length, "vocabulary": facts.vocabulary}
        self.widest = widest(sizes, facts)
        words: Embedding | GivenWords | None = None
        if sizes["embeddings"] == "pretrained":
            given = facts.network()
            if given.weights:
                vectors = torch.as_tensor(given.weights["words.weight"])
                words = GivenWords(vectors, sizes["width"], generators)
        self.body = Body(sizes, EPSILON, generators, words)
        self.head = Linear(sizes["width"], len(facts.class_names), generators)

    def features(self, tokens: Tokens) -> Tensor:
        features: Tensor = self.body(tokens)
        return features

    def alone(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        words = self.body.words
        if not isinstance(words, GivenWords):
            return weights
        own = dict(weights)
        weight, bias = (own.pop(f"{MAP}{name}") for name in ("weight", "bias"))
        return {WORDS: words.mapped(weight, bias), **own}

    def fit(self, names: Collection[str]) -> None:
        words = self.body.words
        if not isinstance(words, GivenWords) or WORDS not in names:
            return
        lanes, width = words.map.bias.shape
        starts = [torch.Generator() for _ in range(lanes)]
        self.body.words = Embedding(words.count, width, starts).to(words.map.bias)


def widest(sizes: Mapping[str, Any], facts: TextFacts) -> int:
    """Elements of a text in the widest of its layers."""
    widest = max(sizes["feed_forward"], sizes["heads"] * facts.max_length)
    return facts.max_length * int(widest)

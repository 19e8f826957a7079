"""Encoders of texts over lanes: students, and teachers that may have been trained before.

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
from trainers.settings import ModelSpec
from trainers.text.data.pretrained import Given, Pretrained
from trainers.text.facts import TextFacts
from trainers.text.networks.layers import NOTHING, Embedding, GivenWords, Layer, Norm
from trainers.text.networks.tokens import Tokens, as_tokens, is_there

EPSILON = 1e-12
# Names of weights: what words are to a student by itself, and the map that makes it of given ones.
WORDS, MAP = "body.words.weight", "body.words.map."
# Texts that a body which nobody trains is shown at once: always so many, since the bits of a
# product depend on its size, and what is remembered of a text must not depend on what it was met
# with first.
TEXTS = 32


class Body(nn.Module):
    """From tokens to e: embeddings and layers. ``sizes``: width, layers, heads, feed_forward,
    positions, vocabulary; ``words``: by default vectors of their own, from random ones."""

    def __init__(
        self,
        sizes: Mapping[str, Any],
        epsilon: float,
        generators: Sequence[torch.Generator],
        words: Embedding | GivenWords | None = None,
    ) -> None:
        super().__init__()
        width, lanes = sizes["width"], len(generators)
        self.words = words or Embedding(sizes["vocabulary"], width, generators)
        self.positions = Embedding(sizes["positions"], width, generators)
        self.embedded = Norm(width, lanes, epsilon)
        self.layers = nn.ModuleList(
            Layer(sizes, epsilon, generators) for _ in range(sizes["layers"])
        )

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
        self.widest = _widest(sizes, facts)
        words: Embedding | GivenWords | None = None
        if sizes["embeddings"] == "pretrained":
            given = facts.network()
            if given.weights:
                vectors = torch.as_tensor(given.weights["words.weight"])
                words = GivenWords(vectors, sizes["width"], generators)
        self.body = Body(sizes, EPSILON, generators, words)
        self.head = Linear(sizes["width"], facts.classes, generators)

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


class PretrainedEncoder(Encoder):
    """The network of a folder, and a last layer from random weights.

    Where the last layer alone learns, all lanes of a process share the rest, which is no part of
    their weights, and what it made of a text is not computed again.
    """

    def __init__(
        self, spec: ModelSpec, facts: TextFacts, generators: Sequence[torch.Generator]
    ) -> None:
        """ValueError where the examples come with no such network."""
        super().__init__()
        given = facts.network()
        sizes = {**given.sizes, "vocabulary": max(given.sizes["vocabulary"], facts.vocabulary)}
        self.widest = _widest(sizes, facts)
        self.head = Linear(sizes["width"], facts.classes, generators)
        self._frozen: _FrozenBody | None = None
        if spec.sizes["train"] == "last_layer":
            self._frozen = _frozen_body(given)
            return
        self.body = Body(sizes, given.epsilon, generators)
        if given.weights:
            put_given_weights(self.body, given)

    def features(self, tokens: Tokens) -> Tensor:
        if self._frozen is not None:
            return self._frozen.features(tokens).to(self.head.weight)
        features: Tensor = self.body(tokens)
        return features


class _FrozenBody:
    """A body that nobody trains, in evaluation alone, and what it made of texts so far."""

    def __init__(self, given: Given) -> None:
        self._body = Body(given.sizes, given.epsilon, [torch.Generator()])
        put_given_weights(self._body, given)
        self._known: dict[bytes, Tensor] = {}

    def __deepcopy__(self, memo: object) -> "_FrozenBody":
        return self

    @torch.no_grad()
    def features(self, tokens: Tokens) -> Tensor:
        """e ``(L, B, D)``, on the CPU."""
        lanes, texts, _ = tokens.ids.shape
        flat = tokens.each(lambda t: t.reshape(1, -1, *t.shape[2:]).cpu())
        found = self._remembered(flat) if tokens.partner is None else self._in_parts(flat)
        return found.view(lanes, texts, -1)

    def _remembered(self, tokens: Tokens) -> Tensor:
        """Of texts (1, N, S) that are no mixtures."""
        rows = tokens.ids[0].to(torch.int32).contiguous().numpy()
        keys = [row.tobytes() for row in rows]
        new = {key: place for place, key in enumerate(keys) if key not in self._known}
        if new:
            at = torch.tensor(list(new.values()))
            made = self._in_parts(tokens.each(lambda t: t[:, at]))
            self._known.update(zip(new, made[0].clone(), strict=True))
        return torch.stack([self._known[key] for key in keys]).unsqueeze(0)

    def _in_parts(self, tokens: Tokens) -> Tensor:
        """`TEXTS` texts at a time, the last ones with the first again: (1, N, D)."""
        texts = tokens.ids.shape[1]
        places = (torch.arange(-(-texts // TEXTS) * TEXTS) % texts).view(-1, TEXTS)
        parts = [tokens.each(lambda t, at=at: t[:, at]) for at in places]  # type: ignore[misc]
        return torch.cat([self._body(part) for part in parts], dim=1)[:, :texts]


# By the network's digest: one that trains has one as a rule.
_FROZEN: dict[str, _FrozenBody] = {}


def _frozen_body(given: Given) -> _FrozenBody:
    """The same for all lanes of a process; of a student by itself its folder has to be there."""
    if given.digest not in _FROZEN:
        _FROZEN.clear()
        whole = given if given.weights else Pretrained.at(given.name).given(given.name)
        _FROZEN[given.digest] = _FrozenBody(whole)
    return _FROZEN[given.digest]


def put_given_weights(body: Body, given: Given) -> None:
    """Have every lane of a body hold the weights of a network that was trained before; ValueError
    where some are missing or of another shape."""
    with torch.no_grad():
        for name, parameter in body.named_parameters():
            array = given.weights.get(name)
            if array is None or array.shape != parameter.shape[1:]:
                what = "lacks" if array is None else f"has in the shape {array.shape}"
                raise ValueError(f"{given.name}: {what} {name}; it is no BERT of its config")
            parameter.copy_(torch.tensor(array))


def _widest(sizes: Mapping[str, Any], facts: TextFacts) -> int:
    """Elements of a text in the widest of its layers."""
    widest = max(sizes["feed_forward"], sizes["heads"] * facts.max_length)
    return facts.max_length * int(widest)

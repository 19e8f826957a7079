"""Encoders of texts over lanes: students, and teachers that may have been trained before.

L lanes, B texts, S tokens of each, D numbers of a token, C classes, V words.

e     the mean, weighted by how much a place counts, of all places after the last layer   (L, B, D)
z     W e + b                                                                             (L, B, C)

A mixture is made of embeddings of words, before those of positions come in, and their
normalisation: share m of one text, 1 - m of the other, with zeros behind the end of either.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor, nn

from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.settings import ModelSpec
from trainers.text.data.pretrained import WEIGHTS, Pretrained
from trainers.text.facts import TextFacts
from trainers.text.networks.layers import NOTHING, Embedding, Layer, Norm
from trainers.text.networks.tokens import Tokens, as_tokens, is_there

EPSILON = 1e-12
# Texts that a body which nobody trains is shown at once.
TEXTS = 64
# What the parts are called in files of Hugging Face, and here.
IN_FILES = (
    ("embeddings.word_embeddings.weight", "words.weight"),
    ("embeddings.position_embeddings.weight", "positions.weight"),
    ("embeddings.LayerNorm.", "embedded."),
)
IN_LAYERS = (
    ("attention.self.query.", "attention.query."),
    ("attention.self.key.", "attention.key."),
    ("attention.self.value.", "attention.value."),
    ("attention.output.dense.", "attention.output."),
    ("attention.output.LayerNorm.", "attended."),
    ("intermediate.dense.", "widen."),
    ("output.dense.", "narrow."),
    ("output.LayerNorm.", "mapped."),
)


class Body(nn.Module):
    """From tokens to e: embeddings and layers. ``sizes``: width, layers, heads, feed_forward,
    positions, vocabulary."""

    def __init__(
        self, sizes: Mapping[str, Any], epsilon: float, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        width, lanes = sizes["width"], len(generators)
        self.words = Embedding(sizes["vocabulary"], width, generators)
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
    """A student from random weights; its embeddings of words may be given."""

    def __init__(
        self, spec: ModelSpec, facts: TextFacts, generators: Sequence[torch.Generator]
    ) -> None:
        """ValueError where embeddings are to be given, and there is no network to take them of."""
        super().__init__()
        sizes = {**spec.sizes, "positions": facts.max_length, "vocabulary": facts.vocabulary}
        self.widest = _widest(sizes, facts)
        self.body = Body(sizes, EPSILON, generators)
        self.head = Linear(sizes["width"], facts.classes, generators)
        if sizes["embeddings"] == "pretrained":
            self._take_words(facts, sizes["width"])

    def features(self, tokens: Tokens) -> Tensor:
        features: Tensor = self.body(tokens)
        return features

    def _take_words(self, facts: TextFacts, width: int) -> None:
        given, words = facts.network(), self.body.words.weight
        words.requires_grad_(False)
        if width > given.sizes["width"]:
            raise ValueError(
                f"width is {width}, and the embeddings of {given.folder} have "
                f"{given.sizes['width']} numbers; take as many or fewer"
            )
        if facts.reads:
            words.data = torch.as_tensor(reduced_words(given.folder, width)).repeat(
                len(words), 1, 1
            )


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
            self._frozen = _frozen_body(given.folder)
            return
        self.body = Body(sizes, given.epsilon, generators)
        if facts.reads:
            put_files_weights(self.body, given.folder)

    def features(self, tokens: Tokens) -> Tensor:
        if self._frozen is not None:
            return self._frozen.features(tokens).to(self.head.weight)
        features: Tensor = self.body(tokens)
        return features


class _FrozenBody:
    """A body that nobody trains, in evaluation alone, and what it made of texts so far."""

    def __init__(self, folder: str) -> None:
        given = Pretrained.at(folder)
        self._body = Body(given.sizes, given.epsilon, [torch.Generator()])
        put_files_weights(self._body, folder)
        self._known: dict[bytes, Tensor] = {}

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
        """Few texts at a time, whatever they are asked for with: (1, N, D)."""
        starts = range(0, tokens.ids.shape[1], TEXTS)
        parts = [tokens.each(lambda t, s=start: t[:, s : s + TEXTS]) for start in starts]  # type: ignore[misc]
        return torch.cat([self._body(part) for part in parts], dim=1)


@lru_cache(maxsize=2)
def _frozen_body(folder: str) -> _FrozenBody:
    return _FrozenBody(folder)


@lru_cache(maxsize=4)
def reduced_words(folder: str, width: int) -> NDArray[np.float32]:
    """Embeddings of words in a folder along their ``width`` first principal components, ``(V,
    width)``; the largest part of every component is positive."""
    words = _in_file(folder)["words.weight"].astype(np.float64)
    centred = words - words.mean(0)
    _, components = np.linalg.eigh(centred.T @ centred)
    chosen = components[:, ::-1][:, :width]
    largest = np.abs(chosen).argmax(0)
    chosen = chosen * np.sign(chosen[largest, np.arange(width)])
    return np.asarray(centred @ chosen, np.float32)


def put_files_weights(body: Body, folder: str) -> None:
    """Have every lane of a body hold the weights of a folder; ValueError where some are missing or
    of another shape."""
    weights = _in_file(folder)
    with torch.no_grad():
        for name, parameter in body.named_parameters():
            array = weights.get(name)
            if array is None or array.shape != parameter.shape[1:]:
                what = "lacks" if array is None else f"has in the shape {array.shape}"
                raise ValueError(f"{folder}: {WEIGHTS} {what} {name}; it is no BERT of its config")
            parameter.copy_(torch.as_tensor(array))


def _in_file(folder: str) -> dict[str, NDArray[Any]]:
    """The weights of a folder by the names that they have here.

    That of the type of a text, of which there is one, is added to every position's.
    """
    found = {
        _renamed(name.removeprefix("bert.")): array
        for name, array in load_file(Path(folder).expanduser() / WEIGHTS).items()
    }
    kinds = found.pop("embeddings.token_type_embeddings.weight", None)
    if kinds is not None and "positions.weight" in found:
        found["positions.weight"] = found["positions.weight"] + kinds[0]
    return {name: np.asarray(array, np.float32) for name, array in found.items()}


def _renamed(name: str) -> str:
    for theirs, ours in IN_FILES:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    if not name.startswith("encoder.layer."):
        return name
    number, _, rest = name.removeprefix("encoder.layer.").partition(".")
    for theirs, ours in IN_LAYERS:
        if rest.startswith(theirs):
            return f"layers.{number}.{ours}{rest.removeprefix(theirs)}"
    return name


def _widest(sizes: Mapping[str, Any], facts: TextFacts) -> int:
    """Elements of a text in the widest of its layers."""
    widest = max(sizes["feed_forward"], sizes["heads"] * facts.max_length)
    return facts.max_length * int(widest)

"""The network of a folder as an encoder over lanes: as it is, with a last layer of its own, tuned.

L lanes, B texts, D numbers of a token, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainers.lanes.layers import Linear
from trainers.settings import ModelSpec
from trainers.text.data.pretrained import Given, Pretrained
from trainers.text.facts import TextFacts
from trainers.text.networks.encoder import Body, Encoder, widest
from trainers.text.networks.tokens import Tokens

# Texts that a body which nobody trains is shown at once: always so many, since the bits of a
# product depend on its size, and what is remembered of a text must not depend on what it was met
# with first.
TEXTS = 32


class PretrainedEncoder(Encoder):
    """The network of a folder, and a last layer: from random weights, on the mean of the places; or
    the folder's own, tuned for these classes, with its pooler.

    Where the last layer at most learns, all lanes of a process share the rest, which is no part of
    their weights, and what it made of a text is not computed again.
    """

    def __init__(
        self, spec: ModelSpec, facts: TextFacts, generators: Sequence[torch.Generator]
    ) -> None:
        """ValueError where the examples come with no such network, or its own last layer is asked
        for and is not of these classes."""
        super().__init__()
        given, own = facts.network(), spec.sizes["head"] == "given"
        sizes = {**given.sizes, "vocabulary": max(given.sizes["vocabulary"], facts.vocabulary)}
        self.widest = widest(sizes, facts)
        self.head = Linear(sizes["width"], len(facts.class_names), generators)
        if own and given.weights:
            _put_head(self.head, given, facts.class_names)
        self._frozen: _FrozenBody | None = None
        if spec.sizes["train"] == "all":
            self.body = Body(sizes, given.epsilon, generators, pooled=own)
            if given.weights:
                _put_body(self.body, given)
            return
        self._frozen = _frozen_body(given, pooled=own)
        self.head.requires_grad_(spec.sizes["train"] != "nothing")

    def features(self, tokens: Tokens) -> Tensor:
        if self._frozen is not None:
            return self._frozen.features(tokens).to(self.head.weight)
        features: Tensor = self.body(tokens)
        return features


class _FrozenBody:
    """A body that nobody trains, in evaluation alone, and what it made of texts so far."""

    def __init__(self, given: Given, pooled: bool) -> None:
        self._body = Body(given.sizes, given.epsilon, [torch.Generator()], pooled=pooled)
        _put_body(self._body, given)
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


# By the network's digest, and whether it is pooled: one that trains has one as a rule.
_FROZEN: dict[tuple[str, bool], _FrozenBody] = {}


def _frozen_body(given: Given, pooled: bool) -> _FrozenBody:
    """The same for all lanes of a process; of a student by itself its folder has to be there."""
    key = (given.digest, pooled)
    if key not in _FROZEN:
        _FROZEN.clear()
        whole = given if given.weights else Pretrained.at(given.name).given(given.name)
        _FROZEN[key] = _FrozenBody(whole, pooled)
    return _FROZEN[key]


def _put_body(body: Body, given: Given) -> None:
    """Have every lane of a body hold the weights of a network that was trained before; ValueError
    where some are missing or of another shape."""
    with torch.no_grad():
        for name, parameter in body.named_parameters():
            array = given.weights.get(name)
            if array is None or array.shape != parameter.shape[1:]:
                what = "lacks" if array is None else f"has in the shape {array.shape}"
                raise ValueError(f"{given.name}: {what} {name}; it is no BERT of its config")
            parameter.copy_(torch.tensor(array))


def _put_head(head: Linear, given: Given, class_names: Sequence[str]) -> None:
    """Have every lane of a last layer hold that of the folder, its classes in the order of these;
    ValueError where it is not of these."""
    rows = given.rows(class_names)
    with torch.no_grad():
        head.weight.copy_(torch.tensor(given.weights["head.weight"][rows]))
        head.bias.copy_(torch.tensor(given.weights["head.bias"][rows]))

"""Convolutions over frames, and a linear map of each: students, and ordinary teachers.

L lanes, B utterances of T frames of F numbers, D numbers of a layer, C symbols with the blank.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainers.ctc.networks.layers import frames_there, layers
from trainers.ctc.networks.network import Shown, UtteranceFacts, UtteranceNetwork
from trainers.lanes.layers import Linear
from trainers.lanes.network import Output
from trainers.settings import ModelSpec


class Conv(UtteranceNetwork):
    """The first layer takes every second frame."""

    def __init__(
        self, spec: ModelSpec, facts: UtteranceFacts, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        width, kernel = spec.sizes["width"], spec.sizes["kernel"]
        self.widest = facts.frames * kernel * max(width, facts.numbers)
        self.layers = layers(facts.numbers, width, kernel, spec.sizes["layers"], generators)
        self.head = Linear(width, facts.symbols, generators, zero_bias=True)

    def forward(self, x: Shown) -> Output:
        there = frames_there(x.lengths, x.frames.shape[2], x.frames)
        h = x.frames
        for layer in self.layers:
            h = layer(h, there)
        return told(self.head, h)


def told(head: Linear, h: Tensor) -> Output:
    """Features (L, B, T', D) and what the last layer makes of them."""
    flat = h.flatten(1, 2)
    # A product with frames last, as everywhere.
    logits: Tensor = head(flat.mT).mT
    return Output(h, logits.reshape(*h.shape[:3], -1))

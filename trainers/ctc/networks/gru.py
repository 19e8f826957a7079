"""Convolutions, then gated recurrent units over frames in both directions; lanes one by one.

L lanes, B utterances of T' frames of output, D numbers of a layer, C symbols with the blank.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainers.ctc.data.dataset import output_frames
from trainers.ctc.networks.conv import told
from trainers.ctc.networks.layers import frames_there, layers
from trainers.ctc.networks.network import Shown, UtteranceFacts, UtteranceNetwork
from trainers.lanes.layers import Linear
from trainers.lanes.network import Output
from trainers.settings import ModelSpec

GATES = 3  # of a unit: reset, update, and what is new


class Recurrent(nn.Module):
    """Gated recurrent units from the first frame to the last: ``(L, B, T, D) -> (L, B, T, D)``.

    As `torch.nn.GRU` of one layer, whose weights these are by name and start.
    """

    def __init__(self, width: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width)

        def drawn(*shape: int) -> nn.Parameter:
            each = [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]
            return nn.Parameter(torch.stack(each))

        self.weight_ih = drawn(GATES * width, width)
        self.weight_hh = drawn(GATES * width, width)
        self.bias_ih = drawn(GATES * width)
        self.bias_hh = drawn(GATES * width)

    def forward(self, x: Tensor) -> Tensor:
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        start = x.new_zeros(1, x.shape[1], x.shape[3])
        each = [
            torch.gru(own, start, [w[lane] for w in weights], True, 1, 0.0, False, False, True)[0]
            for lane, own in enumerate(x)
        ]
        return torch.stack(each)


class Gru(UtteranceNetwork):
    """What both directions make of a frame is added."""

    def __init__(
        self, spec: ModelSpec, facts: UtteranceFacts, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        width, kernel = spec.sizes["width"], spec.sizes["kernel"]
        self.widest = facts.frames * max(kernel * max(width, facts.numbers), 2 * GATES * width)
        self.layers = layers(facts.numbers, width, kernel, spec.sizes["layers"], generators)
        self.forwards = Recurrent(width, generators)
        self.backwards = Recurrent(width, generators)
        self.head = Linear(width, facts.symbols, generators, zero_bias=True)

    def forward(self, x: Shown) -> Output:
        there = frames_there(x.lengths, x.frames.shape[2], x.frames)
        h = x.frames
        for layer in self.layers:
            h = layer(h, there)
        turn = turned(output_frames(x.lengths), h.shape[2]).unsqueeze(3).expand_as(h)
        behind = self.backwards(h.gather(2, turn)).gather(2, turn)
        return told(self.head, (self.forwards(h) + behind) * there)


def turned(lengths: Tensor, frames: int) -> Tensor:
    """Places (L, B, T) that turn utterances of so many frames (L, B) around; what is behind an end
    stays there."""
    place = torch.arange(frames, device=lengths.device)
    last = lengths.unsqueeze(2) - 1
    return torch.where(place <= last, last - place, place)

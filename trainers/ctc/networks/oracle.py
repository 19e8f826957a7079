"""An Oracle Teacher: a network that is shown what is said, and says when.

L lanes, B utterances of T' frames of output, U labels of the longest target, D numbers of a layer,
C symbols with the blank.

source   h = the first half of the layers of `trainers.ctc.networks.conv`
target   k = embedding of each label plus that of its place, one layer of self-attention
fusion   h <- h + attention(query h plus the embedding of the frame's place; keys and values k)
         h <- the other layers;  z = W h + b
beside   z_s = W_s h + b_s of the source alone, which in training has a share ``source_weight`` of
         its own in the label's loss

The output has a place for each frame, so that the network has to choose one of the many paths that
say the target (CTC's many-to-one map). That alone does not keep it from writing the target down at
places of its own, whatever it hears. Three things do: in training a share ``target_mask`` of the
labels is hidden behind a symbol of their own; the loss of the source alone; and for the first share
``target_delay`` of training the target is closed. Closed, it is a `Conv` with the same weights.

Source: after Yoon et al. 2023 (TASLP), arXiv 2111.03664, of which the abstract alone was read:
attention to the labels, and training by the many-to-one map. All three defences, the place of the
fusion and its sizes are own.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trainers.ctc.data.dataset import output_frames
from trainers.ctc.networks.conv import Conv, told
from trainers.ctc.networks.layers import EPSILON, frames_there
from trainers.ctc.networks.network import Shown, UtteranceFacts
from trainers.data.tokenizer import PADDING
from trainers.lanes.counted_draws import uniform
from trainers.lanes.layers import Linear
from trainers.lanes.network import Output
from trainers.lanes.sequences import NOTHING, Attention, Embedding, Norm
from trainers.lanes.state import State
from trainers.settings import ModelSpec


class Oracle(Conv):
    """In evaluation the target is open and whole, unless it is told otherwise: ``closed`` has no
    target read; ``hidden`` hides all labels, so that it knows how many there are and none of them.

    ``seeds`` (L,): of what is hidden in training.
    """

    reads_targets = True
    of_data = frozenset({"seeds"})
    closed = hidden = False
    seeds: Tensor

    def __init__(
        self, spec: ModelSpec, facts: UtteranceFacts, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__(spec, facts, generators)
        sizes, lanes = spec.sizes, len(generators)
        width = sizes["width"]
        self._mask, self._delay = sizes["target_mask"], sizes["target_delay"]
        self._source_weight = sizes["source_weight"]
        self._waits, self._steps = False, 0
        self._source: Output | None = None
        # Behind the symbols comes what hides one.
        self.symbols = Embedding(facts.symbols + 1, width, generators)
        self.label_places = Embedding(facts.labels, width, generators)
        self.frame_places = Embedding(output_frames(facts.frames), width, generators)
        self.attending = Attention(width, sizes["heads"], generators)
        self.attended = Norm(width, lanes, EPSILON)
        self.fusion = Attention(width, sizes["heads"], generators)
        self.source_head = Linear(width, facts.symbols, generators, zero_bias=True)
        drawn = [torch.randint(2**62, (), generator=g) for g in generators]
        self.register_buffer("seeds", torch.stack(drawn))

    def forward(self, x: Shown) -> Output:
        there = frames_there(x.lengths, x.frames.shape[2], x.frames)
        half = len(self.layers) // 2
        h = x.frames
        for layer in self.layers[:half]:
            h = layer(h, there)
        if self.training:
            self._source = told(self.source_head, h)
        if not (self._waits if self.training else self.closed):
            h = h + self._heard(h, x.labels) * there
        for layer in self.layers[half:]:
            h = layer(h, there)
        return told(self.head, h)

    def begin_epoch(self, share: float) -> None:
        self._waits = share < self._delay

    def beside(self) -> tuple[float, Output] | None:
        # Not kept: it holds on to all that led there, and a network that has it cannot be copied.
        source, self._source = self._source, None
        assert source is not None
        return self._source_weight, source

    def own_state(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_own_state(self, state: State) -> None:
        self._steps = state["steps"]

    def _heard(self, h: Tensor, labels: Tensor) -> Tensor:
        """What the frames (L, B, T', D) find in the target (L, B, U)."""
        there = labels != PADDING
        bias = torch.zeros(labels.shape, dtype=h.dtype, device=h.device)
        bias = bias.masked_fill(~there, NOTHING)
        shown = labels.masked_fill(self._hides(labels), self.symbols.weight.shape[1] - 1)
        k: Tensor = self.symbols(shown) + self._places(self.label_places, labels.shape[2])
        k = self.attended((k + self.attending(k, k, bias)).flatten(1, 2)).view(k.shape)
        found: Tensor = self.fusion(h + self._places(self.frame_places, h.shape[2]), k, bias)
        return found

    def _hides(self, labels: Tensor) -> Tensor:
        """Which labels (L, B, U) are hidden."""
        if not self.training:
            return torch.full_like(labels, self.hidden, dtype=torch.bool)
        _, examples, columns = labels.shape
        example = torch.arange(examples, device=labels.device).view(1, -1, 1)
        column = torch.arange(columns, device=labels.device)
        drawn = uniform(self.seeds.view(-1, 1, 1), self._steps, example, column)
        self._steps += 1
        hides: Tensor = drawn < self._mask
        return hides

    @staticmethod
    def _places(embedding: Embedding, count: int) -> Tensor:
        """Those of the first places, (L, 1, count, D)."""
        lanes = len(embedding.weight)
        place = torch.arange(count, device=embedding.weight.device)
        found: Tensor = embedding(place.expand(lanes, 1, count))
        return found

"""A student of utterances by itself, without lanes, sweep or data set.

B utterances of T frames at most, F numbers of a frame, C symbols with the blank.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.ctc.data.dataset import BLANK, STRIDE, text_of
from trainers.ctc.networks.network import Shown
from trainers.ctc.terms import collapsed
from trainers.data.tokenizer import PADDING
from trainers.task import StudentModule


class Transcriber(StudentModule):
    """Takes frames ``(B, T, F)``, NaN behind the end of each, and gives the likeliest symbol of
    every `STRIDE`-th one, ``(B, T')``: 0 where there is none."""

    def __init__(self, network: nn.Module, facts: Mapping[str, Any]) -> None:
        """``facts``: as `trainers.ctc.task.Ctc.facts` has them; ``network``: of what is
        shown of utterances (`Shown`), without lanes, the logits (B, T', C)."""
        super().__init__()
        self.network = network
        self.shape = tuple(facts["shape"])
        self._symbols = tuple(facts["symbols"])

    def forward(self, x: Tensor) -> Tensor:
        there = ~torch.isnan(x[:, :, 0])
        nobody_says = torch.full_like(there[:, :1], PADDING, dtype=torch.int64)
        logits = self.network(Shown(torch.nan_to_num(x), there.sum(1), nobody_says))
        return torch.where(there[:, ::STRIDE], logits.argmax(-1), BLANK)

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        texts = [text_of(row, self._symbols) for row in collapsed(outputs).tolist()]
        return {"transcript": np.array(texts, dtype=object)}

"""Which prompts and responses a lane has."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from trainers.data.splits import Rows
from trainers.data.tokenizer import PADDING
from trainers.language.data.dataset import Ids, SequenceDataset
from trainers.language.data.noise import Responses, corrupted_responses
from trainers.sequences.draw import Draw
from trainers.settings import LaneSource


@dataclass(frozen=True)
class ResponseDraw(Draw):
    """Of a data set of prompts: responses (n, R) are its targets."""

    dataset: SequenceDataset

    def true(self, rows: Rows) -> Ids:
        return self.dataset.responses[rows]

    def noisy(self, rows: Rows, source: LaneSource, rng: np.random.Generator) -> Ids:
        responses = Responses(self.true(rows), self.dataset.end, self._said)
        kind, rate = source.labels.noise_kind, source.labels.noise_rate
        return corrupted_responses(responses, kind, rate, rng)

    @cached_property
    def _said(self) -> NDArray[np.int64]:
        """The tokens that occur in responses, in ascending order, without their ends."""
        found = np.unique(self.dataset.responses).astype(np.int64)
        said: NDArray[np.int64] = found[(found != PADDING) & (found != self.dataset.end)]
        return said

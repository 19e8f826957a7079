"""Which utterances and targets a lane has."""

from dataclasses import dataclass

import numpy as np

from trainers.ctc.data.dataset import Labels, Utterances
from trainers.ctc.data.noise import Transcripts, corrupted_labels
from trainers.data.group_splits import rows_by_group
from trainers.data.splits import STREAM, Rows
from trainers.data.tokenizer import PADDING
from trainers.lanes.seeds import numpy_generator
from trainers.sequences.draw import Draw
from trainers.settings import LaneSource, SplitFractions


@dataclass(frozen=True)
class TranscriptDraw(Draw):
    """Targets have room for twice as many labels as the longest has, whatever the noise: so that
    networks that read them are of one size."""

    dataset: Utterances

    def split(self, fractions: SplitFractions, source: LaneSource) -> dict[str, Rows]:
        if self.dataset.groups is None:
            return super().split(fractions, source)
        return rows_by_group(self.dataset, fractions, numpy_generator(source.seed, STREAM))

    def true(self, rows: Rows) -> Labels:
        labels = self.dataset.labels[rows]
        return np.concatenate([labels, np.full_like(labels, PADDING)], axis=1)

    def noisy(self, rows: Rows, source: LaneSource, rng: np.random.Generator) -> Labels:
        transcripts = Transcripts(
            self.true(rows), self.dataset.lengths[rows], len(self.dataset.symbols)
        )
        kind, rate = source.labels.noise_kind, source.labels.noise_rate
        return corrupted_labels(transcripts, kind, rate, rng)

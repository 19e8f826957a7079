"""Which pictures and boxes a lane has."""

from dataclasses import dataclass

import numpy as np

from trainers.data.group_splits import rows_by_group
from trainers.data.splits import STREAM, Rows
from trainers.detection.data.dataset import Boxes, Pictures
from trainers.detection.data.noise import Boxed, corrupted_boxes
from trainers.lanes.seeds import numpy_generator
from trainers.sequences.draw import Draw
from trainers.settings import LaneSource, SplitFractions


@dataclass(frozen=True)
class BoxDraw(Draw):
    """Splits, then noise in the boxes, which are the targets."""

    dataset: Pictures

    def split(self, fractions: SplitFractions, source: LaneSource) -> dict[str, Rows]:
        if self.dataset.groups is None:
            return super().split(fractions, source)
        return rows_by_group(self.dataset, fractions, numpy_generator(source.seed, STREAM))

    def true(self, rows: Rows) -> Boxes:
        return self.dataset.boxes[rows]

    def noisy(self, rows: Rows, source: LaneSource, rng: np.random.Generator) -> Boxes:
        boxed = Boxed(self.true(rows), self.dataset.fitted[rows], self.dataset.classes)
        return corrupted_boxes(boxed, source.labels.noise_kind, source.labels.noise_rate, rng)

"""The rows and labels of a lane whose classes come task by task, and in which order they come.

C classes, N_s examples of split s.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trainers.classes.dataset import ClassDataset
from trainers.classes.draw import Draw
from trainers.classification.data.lanes import Treatment
from trainers.data.noise import Examples, corrupt_labels
from trainers.data.splits import STREAM
from trainers.incremental.data.splits import rows_by_class
from trainers.lanes.seeds import numpy_generator
from trainers.settings import LaneSource, SplitFractions, Stream

# Names the random stream of the order.
PURPOSE = "class order"


def class_order(stream: Stream, classes: int, seed: int) -> NDArray[np.int64]:
    """The classes (C,) in the order in which they come, the same for all methods of a seed."""
    if stream.order == "given":
        return np.arange(classes)
    return numpy_generator(seed, PURPOSE).permutation(classes).astype(np.int64)


@dataclass(frozen=True)
class StreamTreatment(Treatment):
    """The same of classes that come task by task."""

    stream: Stream = field(default_factory=Stream)

    def draw(self, dataset: ClassDataset, fractions: SplitFractions) -> "StreamDraw":
        return StreamDraw(dataset, fractions, self)


class StreamDraw(Draw):
    """As many examples of each class under every seed; noise stays within the classes of a task."""

    def rows(self, source: LaneSource) -> dict[str, NDArray[np.int64]]:
        rng = numpy_generator(source.seed, STREAM)
        tests = self.dataset.official_test
        return rows_by_class(self.dataset.labels, self.fractions, rng, tests)

    def corrupted(
        self, rows: NDArray[np.int64], split: str, source: LaneSource
    ) -> NDArray[np.int64]:
        assert isinstance(self.handling, StreamTreatment)
        stream, kind = self.handling.stream, source.labels.noise_kind
        order = class_order(stream, self.dataset.classes, source.seed)
        labels = self.dataset.labels[rows].copy()
        start = 0
        for task, count in enumerate(stream.sizes(self.dataset.classes)):
            own, start = order[start : start + count], start + count
            at = np.flatnonzero(np.isin(labels, own))
            number = np.full(self.dataset.classes, -1)
            number[own] = np.arange(count)
            if count == 1:  # nothing to be taken for
                continue
            examples = Examples(number[labels[at]], count, self.dataset.inputs, rows[at])
            rng = numpy_generator(source.seed, "noise", kind, split, f"task {task}")
            labels[at] = own[corrupt_labels(examples, kind, source.labels.noise_rate, rng)]
        return labels

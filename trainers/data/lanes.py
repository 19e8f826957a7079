"""The data of a cohort: shared arrays, and per lane which rows, which labels, which teachers.

L lanes, B examples of a batch, N examples in all, N_s in split s, C classes, M teachers of a lane,
T distinct teachers in the cohort.

Lanes of one cohort share the inputs and, where they have the same teacher, its logits; only row
numbers and labels are kept per lane.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.datasets import Dataset
from trainers.data.noise import corrupt_labels
from trainers.data.splits import SPLITS, SplitFractions, split_rows
from trainers.seeds import numpy_generator
from trainers.settings import LaneSource


class Batch(NamedTuple):
    """Examples of one split: ``places`` in it (L, B), ``teachers`` (L, M, B, C)."""

    places: Tensor
    inputs: Tensor
    labels: Tensor
    teachers: Tensor


class LaneData:
    """The examples of every lane, on one device."""

    def __init__(
        self,
        dataset: Dataset,
        fractions: SplitFractions,
        sources: Sequence[LaneSource],
        teacher_logits: Mapping[str, NDArray[np.float32]],
        device: torch.device,
    ) -> None:
        self.classes = dataset.classes
        self.inputs = torch.as_tensor(dataset.inputs, device=device)
        drawn = [_draw(dataset, fractions, source) for source in sources]
        self._rows = {
            s: torch.as_tensor(np.stack([rows[s] for rows, _ in drawn]), device=device)
            for s in SPLITS
        }
        true = torch.as_tensor(dataset.labels, device=device)
        self._labels = {s: true[self._rows[s]] for s in SPLITS}
        given = torch.as_tensor(np.stack([noisy for _, noisy in drawn]), device=device)
        self.corrupted = given != self._labels["train"]
        self._labels["train"] = given
        names = sorted({name for source in sources for name in source.teachers})
        stacked = [torch.as_tensor(teacher_logits[name], device=device) for name in names]
        self._logits = (
            torch.stack(stacked) if stacked else self.inputs.new_zeros(0, 0, dataset.classes)
        )
        place = {name: t for t, name in enumerate(names)}
        self._teachers = torch.tensor(
            [[place[name] for name in source.teachers] for source in sources],
            dtype=torch.int64, device=device,
        )  # fmt: skip

    @property
    def lanes(self) -> int:
        """How many lanes are left."""
        return len(self._teachers)

    @property
    def teachers(self) -> int:
        """How many teachers each lane has, M."""
        return self._teachers.shape[1]

    def size(self, split: str) -> int:
        """How many examples a lane has in ``split``."""
        return self._rows[split].shape[1]

    def labels(self, split: str) -> Tensor:
        """The given labels (L, N_s): corrupted ones in the training split."""
        return self._labels[split]

    def inputs_of(self, split: str, index: Tensor) -> Tensor:
        """The inputs (L, B, ...) at places ``index`` (L, B) of ``split``."""
        return self.inputs[self._rows[split].gather(1, index)]

    def batch(self, split: str, index: Tensor) -> Batch:
        """The examples at places ``index`` (L, B) of ``split``."""
        rows = self._rows[split].gather(1, index)
        teachers = self._logits[self._teachers.unsqueeze(2), rows.unsqueeze(1)]
        return Batch(index, self.inputs[rows], self._labels[split].gather(1, index), teachers)

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""
        self._rows = {s: t[lanes] for s, t in self._rows.items()}
        self._labels = {s: t[lanes] for s, t in self._labels.items()}
        self.corrupted = self.corrupted[lanes]
        self._teachers = self._teachers[lanes]


def _draw(
    dataset: Dataset, fractions: SplitFractions, source: LaneSource
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Rows per split, and the given labels of the training split.

    The noise falls on the same examples with the same labels whether or not the meta split is
    trained on: its rows and true labels come after those of the training split.
    """
    rows = split_rows(dataset.labels, fractions, numpy_generator(source.seed, "split"))
    noisy = corrupt_labels(
        dataset.labels[rows["train"]],
        dataset.classes,
        source.labels.noise_kind,
        source.labels.noise_rate,
        numpy_generator(source.seed, "noise", source.labels.noise_kind),
    )
    if source.train_on_meta:
        noisy = np.concatenate([noisy, dataset.labels[rows["meta"]]])
        rows = {**rows, "train": np.concatenate([rows["train"], rows["meta"]])}
    return rows, noisy

"""The data of a cohort: shared arrays, and per lane which rows, which labels, which teachers.

L lanes, B examples of a batch, N examples in all, N_s in split s, C classes, M teachers of a lane,
T distinct teachers in the cohort.

Lanes of one cohort share the inputs and, where they have the same teacher, its logits; only row
numbers and labels are kept per lane. Lanes of one seed, as the trials of a search are, have the
same rows, too: where they are also asked for at the same places, their inputs are gathered once.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.classification.data.augment import crop_and_flip
from trainers.classification.data.datasets import Dataset
from trainers.data.noise import Examples, corrupt_labels
from trainers.data.splits import SPLITS, SplitFractions, split_rows
from trainers.lanes.seeds import numpy_generator, torch_generator
from trainers.lanes.state import places, wind
from trainers.settings import LaneSource, Treatment


class Batch(NamedTuple):
    """Examples of one split: ``places`` in it (L, B), ``teachers`` (L, M, B, C).

    ``augmented``: the inputs are not those that the teachers' logits were computed from.
    """

    places: Tensor
    inputs: Tensor
    labels: Tensor
    teachers: Tensor
    augmented: bool = False


class TrainingLabels(NamedTuple):
    """Training examples by their row in the data set: the given and the true labels, each (N,)."""

    rows: NDArray[np.int64]
    given: NDArray[np.int64]
    true: NDArray[np.int64]


class LaneData:
    """The examples of every lane, on one device."""

    def __init__(
        self,
        dataset: Dataset,
        fractions: SplitFractions,
        sources: Sequence[LaneSource],
        teacher_logits: Mapping[str, NDArray[np.float32]],
        device: torch.device,
        treatment: Treatment | None = None,
    ) -> None:
        treatment = treatment or Treatment()
        self.classes = dataset.classes
        self.inputs = torch.as_tensor(dataset.inputs, device=device)
        drawn = _draw_all(dataset, fractions, sources, treatment)
        self._rows = {
            s: once(torch.as_tensor(np.stack([d.rows[s] for d in drawn]), device=device))
            for s in SPLITS
        }
        self._labels = {
            s: torch.as_tensor(np.stack([d.labels[s] for d in drawn]), device=device)
            for s in SPLITS
        }
        true = torch.as_tensor(dataset.labels, device=device)
        self._true = true[self._rows["train"]]
        self.corrupted = self._labels["train"] != self._true
        self._augment = treatment.augment == "crop_flip"
        self._shakes = [torch_generator(source.seed, "augment") for source in sources]
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
    def augments(self) -> bool:
        """Whether training batches hold changed inputs."""
        return self._augment

    @property
    def teachers(self) -> int:
        """How many teachers each lane has, M."""
        return self._teachers.shape[1]

    def size(self, split: str) -> int:
        """How many examples a lane has in ``split``."""
        return self._rows[split].shape[1]

    def labels(self, split: str) -> Tensor:
        """The given labels (L, N_s): corrupted ones where the noise falls."""
        return self._labels[split]

    def inputs_of(self, split: str, index: Tensor) -> Tensor:
        """The inputs (L, B, ...) at places ``index`` (L, B) of ``split``, not to be written to."""
        return self._inputs_at(self._rows_at(split, index))

    def teachers_of(self, split: str) -> Tensor:
        """The teachers' logits (L, M, N_s, C) for a whole split, as its examples are."""
        return self._teachers_at(self._rows[split])

    def batch(self, split: str, index: Tensor) -> Batch:
        """The examples at places ``index`` (L, B) of ``split``, as they are."""
        rows = self._rows_at(split, index)
        labels = self._labels[split].gather(1, index)
        return Batch(index, self._inputs_at(rows), labels, self._teachers_at(rows))

    def training_batch(self, index: Tensor) -> Batch:
        """The training examples at places ``index`` (L, B) as a step of training sees them.

        Where inputs are augmented, each call draws anew from every lane's own generator.
        """
        batch = self.batch("train", index)
        if not self._augment:
            return batch
        return batch._replace(inputs=crop_and_flip(batch.inputs, self._shakes), augmented=True)

    def training_labels(self, lane: int) -> TrainingLabels:
        """What one lane was told of its training examples, and what is true."""
        return TrainingLabels(
            self._rows["train"][lane].cpu().numpy(),
            self._labels["train"][lane].cpu().numpy(),
            self._true[lane].cpu().numpy(),
        )

    @property
    def draws(self) -> Tensor:
        """How far every lane is in what it draws to change inputs, (L, bytes)."""
        return places(self._shakes)

    def go_on(self, draws: Tensor) -> None:
        """Draw from there on."""
        wind(self._shakes, draws)

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""
        self._rows = {s: once(t[lanes]) for s, t in self._rows.items()}
        self._labels = {s: t[lanes] for s, t in self._labels.items()}
        self._true = self._true[lanes]
        self.corrupted = self.corrupted[lanes]
        self._teachers = self._teachers[lanes]
        self._shakes = [self._shakes[i] for i in lanes.tolist()]

    # By one flat index, which is several times faster than by the rows as they are shaped.

    def _rows_at(self, split: str, index: Tensor) -> Tensor:
        rows = self._rows[split]
        if _is_once(rows) and _is_once(index):
            return rows[0, index[0]].expand(self.lanes, -1)
        return rows.gather(1, index)

    def _inputs_at(self, rows: Tensor) -> Tensor:
        if _is_once(rows):
            some = self.inputs.index_select(0, rows[0])
            return some.expand(len(rows), *some.shape)
        flat = self.inputs.index_select(0, rows.flatten())
        return flat.view(*rows.shape, *self.inputs.shape[1:])

    def _teachers_at(self, rows: Tensor) -> Tensor:
        places = self._teachers.unsqueeze(2) * self._logits.shape[1] + rows.unsqueeze(1)
        flat = self._logits.flatten(0, 1).index_select(0, places.flatten())
        return flat.view(*places.shape, self.classes)


def once(x: Tensor) -> Tensor:
    """x (L, ...), its one row in memory once where all lanes have the same."""
    return x[:1].expand_as(x) if bool((x == x[:1]).all()) else x


def _is_once(x: Tensor) -> bool:
    """Whether all lanes of x (L, ...) share the memory of one row."""
    return len(x) > 1 and x.stride(0) == 0


class _Drawn(NamedTuple):
    """The rows (N_s,) and given labels (N_s,) of every split of one lane."""

    rows: dict[str, NDArray[np.int64]]
    labels: dict[str, NDArray[np.int64]]


def _draw_all(
    dataset: Dataset,
    fractions: SplitFractions,
    sources: Sequence[LaneSource],
    treatment: Treatment,
) -> list[_Drawn]:
    """Of every lane; lanes that differ in their teachers alone share one draw."""
    drawn: dict[tuple[object, ...], _Drawn] = {}
    keys = [(source.seed, source.labels, source.train_on_meta) for source in sources]
    for key, source in zip(keys, sources, strict=True):
        if key not in drawn:
            drawn[key] = _draw(dataset, fractions, source, treatment)
    return [drawn[key] for key in keys]


def _draw(
    dataset: Dataset, fractions: SplitFractions, source: LaneSource, treatment: Treatment
) -> _Drawn:
    """Splits by the seed alone, then noise.

    The noise falls on the same examples with the same labels whether or not the meta split is
    trained on: its rows and labels come after those of the training split.
    """
    rng = numpy_generator(source.seed, "split")
    rows = split_rows(dataset.labels, fractions, rng, dataset.official_test)
    labels = {s: dataset.labels[rows[s]] for s in SPLITS}
    for split in treatment.noisy_splits:
        labels[split] = _corrupted(dataset, rows[split], split, source, treatment)
    if source.train_on_meta:
        labels["train"] = np.concatenate([labels["train"], labels["meta"]])
        rows = {**rows, "train": np.concatenate([rows["train"], rows["meta"]])}
    return _Drawn(rows, labels)


def _corrupted(
    dataset: Dataset,
    rows: NDArray[np.int64],
    split: str,
    source: LaneSource,
    treatment: Treatment,
) -> NDArray[np.int64]:
    """The labels of one split after the noise, which each split draws from a stream of its own."""
    kind, rate = source.labels.noise_kind, source.labels.noise_rate
    purpose = ("noise", kind) if split == "train" else ("noise", kind, split)
    given = None if dataset.file_labels is None else dataset.file_labels[rows]
    examples = Examples(
        dataset.labels[rows], dataset.classes, dataset.inputs, rows, given, treatment.class_map
    )
    return corrupt_labels(examples, kind, rate, numpy_generator(source.seed, *purpose))

"""Which rows and targets a lane has: its splits and the noise in them, drawn from its seed.

N_s examples of split s, U columns of targets.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset
from trainers.data.splits import Rows, rows_of_lane, use_clean
from trainers.lanes.seeds import numpy_generator
from trainers.settings import SPLITS, TEACHER_SPLIT, LaneSource, SplitFractions

# Numbers of what has to be told, padding behind their end.
Targets = NDArray[Any]


class Drawn(NamedTuple):
    """The rows (N_s,) and given targets (N_s, U) of every split of one lane; ``certain``: how many
    training examples are of the meta split. ``students``: rows and targets that students of this
    seed train on or hold out, whatever they do with the meta split."""

    rows: dict[str, Rows]
    targets: dict[str, Targets]
    certain: int
    students: tuple[Rows, Targets]


@dataclass(frozen=True)
class Draw(ABC):
    """Splits by the seed alone, or as the user has them, then noise."""

    dataset: Dataset
    fractions: SplitFractions
    noisy_splits: tuple[str, ...] = ("train",)

    @abstractmethod
    def true(self, rows: Rows) -> Targets:
        """The targets of rows (n,) of the data set, (n, U)."""

    @abstractmethod
    def noisy(self, rows: Rows, source: LaneSource, rng: np.random.Generator) -> Targets:
        """The same after the noise that a lane has."""

    def split(self, fractions: SplitFractions, source: LaneSource) -> dict[str, Rows]:
        """The rows of every split."""
        return rows_of_lane(self.dataset, fractions, source, numpy_generator)

    def all(self, sources: Sequence[LaneSource]) -> list[Drawn]:
        """Of every lane; lanes that differ in their teachers alone share one draw."""
        drawn: dict[tuple[object, ...], Drawn] = {}
        keys = [(s.seed, s.labels, s.clean, s.fold, s.is_teacher) for s in sources]
        for key, source in zip(keys, sources, strict=True):
            if key not in drawn:
                drawn[key] = self._of(source)
        return [drawn[key] for key in keys]

    def _of(self, source: LaneSource) -> Drawn:
        """The noise falls on the same examples in the same way whether or not the meta split is
        trained on. ValueError where it is to be trained on, and noise falls on it."""
        if source.clean != "withhold" and "meta" in self.noisy_splits:
            raise ValueError(
                f"clean: {source.clean}: noise falls on the meta split, so it is not clean"
            )
        rows = self.split(self.fractions, source)
        noisy = {s: self._corrupted(rows[s], s, source) for s in self.noisy_splits}
        # All of the meta split, of which a condition may have the first examples alone.
        meta = self.split(replace(self.fractions, clean=None), source)["meta"]
        its = self._corrupted(meta, "meta", source) if "meta" in noisy else self.true(meta)
        known = noisy["train"] if "train" in noisy else self.true(rows["train"])
        students = np.concatenate([rows["train"], meta]), np.concatenate([known, its])
        more = rows.pop(TEACHER_SPLIT, None)
        if more is not None and source.is_teacher:
            rows["train"] = np.concatenate([rows["train"], more])
            if "train" in noisy:
                of_teacher = self._corrupted(more, TEACHER_SPLIT, source)
                noisy["train"] = np.concatenate([noisy["train"], of_teacher])
        certain = use_clean(rows, source.clean, numpy_generator(source.seed, "clean half"))
        targets = {s: self.true(rows[s]) for s in SPLITS}
        for split, given in noisy.items():
            targets[split][: len(given)] = given
        return Drawn(rows, targets, certain, students)

    def _corrupted(self, rows: Rows, split: str, source: LaneSource) -> Targets:
        """The targets of one split after the noise, each split's from a stream of its own."""
        kind = source.labels.noise_kind
        purpose = ("noise", kind) if split == "train" else ("noise", kind, split)
        return self.noisy(rows, source, numpy_generator(source.seed, *purpose))

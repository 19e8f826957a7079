"""Which rows and labels a lane has: its splits and the noise in them, drawn from its seed.

N_s examples of split s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.classes.dataset import ClassDataset
from trainers.data.noise import ClassMap, Examples, corrupt_labels
from trainers.data.splits import CALLS, asked_of, rows_of_lane, use_clean
from trainers.lanes.seeds import numpy_generator
from trainers.settings import (
    SPLITS,
    TEACHER_SPLIT,
    DataSpec,
    LaneSource,
    SplitFractions,
    TeacherCalls,
)


@dataclass(frozen=True)
class Handling:
    """How examples reach a student: where label noise falls; for asymmetric noise, which class is
    taken for which; about which of them teachers may be asked."""

    noisy_splits: tuple[str, ...] = ("train",)
    class_map: ClassMap = ()
    calls: TeacherCalls | None = None

    @staticmethod
    def of(spec: DataSpec) -> "Handling":
        """As a spec has it."""
        return Handling(spec.noise.splits, spec.noise.options.get("class_map", ()), spec.calls)

    def draw(self, dataset: ClassDataset, fractions: SplitFractions) -> "Draw":
        """What draws the rows and labels of lanes."""
        return Draw(dataset, fractions, self)


class Drawn(NamedTuple):
    """The rows (N_s,) and given labels (N_s,) of every split of one lane; ``certain``: how many
    training examples are of the meta split; ``asked`` (N,): about which of them its teachers may be
    asked."""

    rows: dict[str, NDArray[np.int64]]
    labels: dict[str, NDArray[np.int64]]
    certain: int
    asked: NDArray[np.bool_]


@dataclass(frozen=True)
class Draw:
    """Splits by the seed alone, or as the user has them, then noise, then what may be asked."""

    dataset: ClassDataset
    fractions: SplitFractions
    handling: Handling

    def all(self, sources: Sequence[LaneSource]) -> list[Drawn]:
        """Of every lane; lanes that differ in their teachers alone share one draw."""
        drawn: dict[tuple[object, ...], Drawn] = {}
        keys = [(s.seed, s.labels, s.clean, s.fold, s.is_teacher) for s in sources]
        for key, source in zip(keys, sources, strict=True):
            if key not in drawn:
                drawn[key] = self._of(source)
        return [drawn[key] for key in keys]

    def rows(self, source: LaneSource) -> dict[str, NDArray[np.int64]]:
        """The rows of every split, that of teachers among them where there is one."""
        return rows_of_lane(self.dataset, self.fractions, source, numpy_generator)

    def corrupted(
        self, rows: NDArray[np.int64], split: str, source: LaneSource
    ) -> NDArray[np.int64]:
        """The labels of one split after the noise, which each split draws from a stream of its
        own."""
        dataset = self.dataset
        kind, rate = source.labels.noise_kind, source.labels.noise_rate
        purpose = ("noise", kind) if split == "train" else ("noise", kind, split)
        given = None if dataset.file_labels is None else dataset.file_labels[rows]
        examples = Examples(
            dataset.labels[rows],
            dataset.classes,
            dataset.inputs,
            rows,
            given,
            self.handling.class_map,
        )
        return corrupt_labels(examples, kind, rate, numpy_generator(source.seed, *purpose))

    def _of(self, source: LaneSource) -> Drawn:
        """The noise falls on the same examples with the same labels whether or not the meta split
        is trained on: its rows and labels come after those of the training split, as those of the
        split of teachers do for one. ValueError where it is to be trained on, and noise falls on
        it.
        """
        noisy_splits = self.handling.noisy_splits
        if source.clean != "withhold" and "meta" in noisy_splits:
            raise ValueError(
                f"clean: {source.clean}: noise falls on the meta split, so it is not clean"
            )
        rows = self.rows(source)
        noisy = {s: self.corrupted(rows[s], s, source) for s in noisy_splits}
        more = rows.pop(TEACHER_SPLIT, None)
        if more is not None and source.is_teacher:
            # After the noise of the others, which is the same for students.
            rows["train"] = np.concatenate([rows["train"], more])
            if "train" in noisy:
                its = self.corrupted(more, TEACHER_SPLIT, source)
                noisy["train"] = np.concatenate([noisy["train"], its])
        # How often students ask is nothing to their teachers, which train on all there is.
        asked = np.ones(len(rows["train"]), dtype=bool)
        calls = self.handling.calls
        if calls is not None and not source.is_teacher:
            rng = numpy_generator(source.seed, CALLS)
            chosen = asked_of(self.dataset.labels[rows["train"]], calls.share, rng)
            if calls.unasked == "drop":
                rows["train"], asked = rows["train"][chosen], asked[chosen]
                noisy = {s: y[chosen] if s == "train" else y for s, y in noisy.items()}
            else:
                asked = np.isin(np.arange(len(asked)), chosen)
        certain = use_clean(rows, source.clean, numpy_generator(source.seed, "clean half"))
        labels = {s: self.dataset.labels[rows[s]] for s in SPLITS}
        for split, given in noisy.items():
            labels[split][: len(given)] = given
        # Those that are added are of the meta split.
        asked = np.concatenate([asked, np.zeros(certain, dtype=bool)])
        return Drawn(rows, labels, certain, asked)

"""Which rows and responses a lane has: its splits and the noise in them, drawn from its seed.

N_s examples of split s, R columns of responses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.splits import rows_of_lane, use_clean
from trainers.data.tokenizer import PADDING
from trainers.lanes.seeds import numpy_generator
from trainers.language.data.dataset import Ids, SequenceDataset
from trainers.language.data.noise import Responses, corrupted_responses
from trainers.settings import SPLITS, TEACHER_SPLIT, LaneSource, SplitFractions

Rows = NDArray[np.int64]


class Drawn(NamedTuple):
    """The rows (N_s,) and given responses (N_s, R) of every split of one lane; ``certain``: how
    many training examples are of the meta split. ``students``: rows and responses that students of
    this seed train on or hold out, whatever they do with the meta split."""

    rows: dict[str, Rows]
    responses: dict[str, Ids]
    certain: int
    students: tuple[Rows, Ids]


@dataclass(frozen=True)
class Draw:
    """Splits by the seed alone, or as the user has them, then noise."""

    dataset: SequenceDataset
    fractions: SplitFractions
    noisy_splits: tuple[str, ...] = ("train",)

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
        rows = rows_of_lane(self.dataset, self.fractions, source, numpy_generator)
        noisy = {s: self._corrupted(rows[s], s, source) for s in self.noisy_splits}
        # All of the meta split, of which a condition may have the first examples alone.
        whole = replace(self.fractions, clean=None)
        meta = rows_of_lane(self.dataset, whole, source, numpy_generator)["meta"]
        its = self._corrupted(meta, "meta", source) if "meta" in noisy else self._true(meta)
        known = noisy["train"] if "train" in noisy else self._true(rows["train"])
        students = np.concatenate([rows["train"], meta]), np.concatenate([known, its])
        more = rows.pop(TEACHER_SPLIT, None)
        if more is not None and source.is_teacher:
            rows["train"] = np.concatenate([rows["train"], more])
            if "train" in noisy:
                of_teacher = self._corrupted(more, TEACHER_SPLIT, source)
                noisy["train"] = np.concatenate([noisy["train"], of_teacher])
        certain = use_clean(rows, source.clean, numpy_generator(source.seed, "clean half"))
        responses = {s: self._true(rows[s]) for s in SPLITS}
        for split, given in noisy.items():
            responses[split][: len(given)] = given
        return Drawn(rows, responses, certain, students)

    def _true(self, rows: Rows) -> Ids:
        return self.dataset.responses[rows]

    def _corrupted(self, rows: Rows, split: str, source: LaneSource) -> Ids:
        """The responses of one split after the noise, each split's from a stream of its own."""
        kind, rate = source.labels.noise_kind, source.labels.noise_rate
        purpose = ("noise", kind) if split == "train" else ("noise", kind, split)
        responses = Responses(self._true(rows), self.dataset.end, self._said)
        return corrupted_responses(responses, kind, rate, numpy_generator(source.seed, *purpose))

    @cached_property
    def _said(self) -> NDArray[np.int64]:
        """The tokens that occur in responses, in ascending order, without their ends."""
        found = np.unique(self.dataset.responses).astype(np.int64)
        said: NDArray[np.int64] = found[(found != PADDING) & (found != self.dataset.end)]
        return said

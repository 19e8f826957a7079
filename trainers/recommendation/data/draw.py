"""Which interactions a lane has: its splits and the noise in them, drawn from its seed.

N_s interactions of split s.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.splits import STREAM, Rows, use_clean
from trainers.lanes.seeds import numpy_generator
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.noise import Numbers, Positives, corrupted_items
from trainers.recommendation.data.splits import rows_by_user
from trainers.settings import SPLITS, TEACHER_SPLIT, LaneSource, SplitFractions


class Drawn(NamedTuple):
    """The rows, users and given items (N_s,) of every split of one lane; ``certain``: how many
    training interactions are of the meta split, the last ones."""

    rows: dict[str, Rows]
    users: dict[str, Numbers]
    items: dict[str, Numbers]
    certain: int

    def known_before(self, split: str) -> tuple[Numbers, Numbers]:
        """Users and items of the pairs that are left out of what is recommended for a split: those
        of the splits before it, some perhaps twice."""
        before = SPLITS[: SPLITS.index(split)]
        users, items = (
            np.concatenate([np.empty(0, np.int64), *(part[s] for s in before)])
            for part in (self.users, self.items)
        )
        return users, items


@dataclass(frozen=True)
class Draw:
    """Splits by the seed alone, then noise."""

    dataset: Interactions
    fractions: SplitFractions
    noisy_splits: tuple[str, ...] = ("train",)

    def all(self, sources: Sequence[LaneSource]) -> list[Drawn]:
        """Of every lane; lanes that differ in their teachers alone share one draw."""
        drawn: dict[tuple[object, ...], Drawn] = {}
        keys = [(s.seed, s.labels, s.clean, s.is_teacher) for s in sources]
        for key, source in zip(keys, sources, strict=True):
            if key not in drawn:
                drawn[key] = self._of(source)
        return [drawn[key] for key in keys]

    def _of(self, source: LaneSource) -> Drawn:
        """The noise falls on the same interactions in the same way whether or not the meta split is
        trained on. ValueError where it is to be trained on, and noise falls on it."""
        if source.clean != "withhold" and "meta" in self.noisy_splits:
            raise ValueError(
                f"clean: {source.clean}: noise falls on the meta split, so it is not clean"
            )
        rows = rows_by_user(self.dataset, self.fractions, numpy_generator(source.seed, STREAM))
        if not source.is_teacher:
            rows.pop(TEACHER_SPLIT, None)
        noisy = self._corrupted(rows, source)
        more = rows.pop(TEACHER_SPLIT, None)
        if more is not None:
            rows["train"] = np.concatenate([rows["train"], more])
            if "train" in noisy:
                noisy["train"] = np.concatenate([noisy["train"], noisy.pop(TEACHER_SPLIT)])
        certain = use_clean(rows, source.clean, numpy_generator(source.seed, "clean half"))
        users = {s: self.dataset.users[rows[s]] for s in SPLITS}
        items = {s: self.dataset.items[rows[s]] for s in SPLITS}
        for split, given in noisy.items():
            items[split][: len(given)] = given
        return Drawn(rows, users, items, certain)

    def _corrupted(self, rows: dict[str, Rows], source: LaneSource) -> dict[str, Numbers]:
        """The items of every noisy split after the noise, each split's from a stream of its own; no
        false positive comes in two splits."""
        kind, rate = source.labels.noise_kind, source.labels.noise_rate
        falls_on = (*self.noisy_splits, *([TEACHER_SPLIT] if "train" in self.noisy_splits else []))
        known_users, known_items = self.dataset.users, self.dataset.items
        found = {}
        for split in (s for s in rows if s in falls_on):
            users, items = self.dataset.users[rows[split]], self.dataset.items[rows[split]]
            purpose = ("noise", kind) if split == "train" else ("noise", kind, split)
            positives = Positives(users, items, known_users, known_items, self._popularity)
            rng = numpy_generator(source.seed, *purpose)
            found[split] = corrupted_items(positives, kind, rate, rng)
            known_users = np.concatenate([known_users, users])
            known_items = np.concatenate([known_items, found[split]])
        return found

    @cached_property
    def _popularity(self) -> NDArray[np.int64]:
        """Interactions of every item, (I,)."""
        return np.bincount(self.dataset.items, minlength=len(self.dataset.item_ids))

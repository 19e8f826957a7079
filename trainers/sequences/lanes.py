"""The data of a cohort of sequences: per lane which rows, which targets, which teachers.

L lanes, B examples of a batch, N_s in split s, U columns of targets, R rows of an output, V
numbers of a row, M teachers of a lane.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from trainers.lanes.network import Output
from trainers.sequences.draw import Draw, Targets
from trainers.sequences.teacher_logits import UNKNOWN, TeacherLogits, is_kept
from trainers.settings import SPLITS, LaneSource
from trainers.task import Batch, KeptOutputs, TaskData, Teachers

# The splits about which teachers are asked.
TAUGHT = ("train", "meta")
# Sequences of one lane that a teacher is asked about at once.
ASKED_AT_ONCE = 256


class SequencesOfLanes(TaskData):
    """The examples of every lane, on one device.

    ``rows`` and ``targets``: of every split, (L, N_s) and (L, N_s, U).
    """

    has_rows = True

    def __init__(
        self,
        draw: Draw,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        like: Tensor,
    ) -> None:
        """``like``: an empty table (0, V) of what teachers say, on the device of the data."""
        drawn = draw.all(sources)
        self.drawn = tuple(drawn)
        self._device, self._outputs = like.device, like.shape[1]
        self.rows = {
            s: torch.as_tensor(np.stack([d.rows[s] for d in drawn]), device=like.device)
            for s in SPLITS
        }
        self.targets = {s: self.tensor([d.targets[s] for d in drawn]) for s in SPLITS}
        true = self.tensor([draw.true(d.rows["train"]) for d in drawn])
        self.wrong = self.targets["train"] != true
        self.corrupted = self.wrong.any(2)
        self.certain = drawn[0].certain
        self._taught_by = [source.teachers for source in sources]
        self._logits = TeacherLogits(outputs, len(draw.dataset), like)
        # Where the teachers' logits for each example begin, (L, M, N_s).
        self._starts = {s: self._known(s) for s in TAUGHT}
        self._asks_always = False

    @property
    @abstractmethod
    def columns(self) -> int:
        """R."""

    @abstractmethod
    def row_lengths(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        """How many rows of an output the examples at places ``index`` (L, B) have, (L, B)."""

    def tensor(self, targets: Sequence[Targets]) -> Tensor:
        """Targets (n, U) of every lane, (L, n, U)."""
        return torch.as_tensor(np.stack(targets), dtype=torch.int64, device=self._device)

    @property
    def lanes(self) -> int:
        return len(self._taught_by)

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def teachers(self) -> int:
        return len(self._taught_by[0]) if self._taught_by else 0

    def size(self, split: str) -> int:
        return self.rows[split].shape[1]

    def rows_at(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        """The rows of the data set of examples at places ``index`` (L, B)."""
        return _at(self.rows[split], index, lanes)

    def targets_at(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        """What they were given as their targets, (L, B, U)."""
        return _at(self.targets[split], index, lanes)

    def training_batch(self, index: Tensor) -> Batch:
        return self.batch("train", index)._replace(changed=self._asks_always)

    def ask(self, teachers: Teachers | None) -> None:
        """Ask about examples of which nothing is kept, once; where too much would have to be kept,
        teachers are asked at every step. ValueError where there are none to ask."""
        unknown = [
            (lane, m)
            for lane in range(self.lanes)
            for m in range(self.teachers)
            if any(bool((self._starts[s][lane, m] == UNKNOWN).any()) for s in TAUGHT)
        ]
        if not unknown:
            return
        if teachers is None:
            raise ValueError(
                "a teacher was not asked about these targets; give the teachers themselves"
            )
        if not all(is_kept(int(self._all_lengths(s).sum(1).max()), self._outputs) for s in TAUGHT):
            self._asks_always = True
            return
        found: dict[tuple[object, ...], dict[str, Tensor]] = {}
        for lane, m in unknown:
            drawn = self.drawn[lane]
            key = (
                self._taught_by[lane][m],
                *(part.tobytes() for s in TAUGHT for part in (drawn.rows[s], drawn.targets[s])),
            )
            if key not in found:
                found[key] = {s: self._asked(teachers, lane, m, s) for s in TAUGHT}
            for split in TAUGHT:
                self._starts[split][lane, m] = found[key][split]

    def fetch(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Callable[[], Tensor]:
        """What gives the teachers' logits (L, M, B, R, V) for examples at places ``index`` (L, B);
        ValueError, when called, where they were not asked about these."""
        if split not in TAUGHT:
            return partial(_refuse, f"teachers are not asked about the {split} split")
        starts = self._starts[split] if lanes is None else self._starts[split][lanes]
        own = starts.gather(2, index.unsqueeze(1).expand(-1, starts.shape[1], -1))

        def logits() -> Tensor:
            if bool((own == UNKNOWN).any()):
                _refuse(
                    "what a teacher says of all training examples takes too much to be kept, and "
                    "this method looks at it between steps; take fewer examples, or shorter ones"
                )
            return self._logits.at(own, self.row_lengths(split, index, lanes), self.columns)

        return logits

    def is_known(self, split: str) -> bool:
        """Whether all that the teachers say of a split is at hand."""
        return not bool((self._starts[split] == UNKNOWN).any())

    def keep(self, lanes: Tensor) -> None:
        chosen = lanes.tolist()
        self.drawn = tuple(self.drawn[i] for i in chosen)
        self.rows = {s: t[lanes] for s, t in self.rows.items()}
        self.targets = {s: t[lanes] for s, t in self.targets.items()}
        self.wrong, self.corrupted = self.wrong[lanes], self.corrupted[lanes]
        self._taught_by = [self._taught_by[i] for i in chosen]
        self._starts = {s: t[lanes] for s, t in self._starts.items()}

    def _all_lengths(self, split: str) -> Tensor:
        """Of every example of a split, (L, N_s)."""
        places = torch.arange(self.size(split), device=self.device)
        return self.row_lengths(split, places.expand(self.lanes, -1))

    def _known(self, split: str) -> Tensor:
        """Where what is kept of each teacher is, (L, M, N_s)."""
        found = np.full((self.lanes, self.teachers, self.size(split)), UNKNOWN)
        for lane, drawn in enumerate(self.drawn):
            for m, name in enumerate(self._taught_by[lane]):
                found[lane, m] = self._logits.starts(name, drawn.rows[split], drawn.targets[split])
        return torch.as_tensor(found, device=self.device)

    def _asked(self, teachers: Teachers, lane: int, m: int, split: str) -> Tensor:
        """Where the answers (N_s,) of a lane's teacher about a split begin, once it was asked."""
        at = torch.tensor([lane], device=self.device)
        places = torch.arange(self.size(split), device=self.device)
        starts = []
        for part in torch.split(places, ASKED_AT_ONCE):
            index = part.unsqueeze(0)
            shown = teachers.outputs_of(lane, self.inputs_of(split, index, at))
            logits = shown[m].logits[0]
            lengths = self.row_lengths(split, index, at)[0]
            there = torch.arange(logits.shape[1], device=self.device) < lengths.unsqueeze(1)
            start = self._logits.add(logits[there].to(torch.get_default_dtype()))
            starts.append(start + lengths.cumsum(0) - lengths)
        return torch.cat(starts)


def logits_of(outputs: Sequence[Output]) -> Tensor:
    """What M teachers say, (L, M, B, R, V)."""
    return torch.stack([output.logits for output in outputs], dim=1)


def _at(x: Tensor, index: Tensor, lanes: Tensor | None) -> Tensor:
    """Of x (L, N, ...) what is at places (L, B)."""
    lane = torch.arange(len(x), device=x.device) if lanes is None else lanes
    return x[lane.unsqueeze(1), index]


def _refuse(why: str) -> Tensor:
    raise ValueError(why)

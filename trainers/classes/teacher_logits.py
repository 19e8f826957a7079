"""What is kept of the teachers of a cohort: their logits, by example or by class.

L lanes, B examples of a batch, N examples in all, C classes, M teachers of a lane, T distinct
teachers in the cohort, m logits that a light teacher keeps of each class.

A light teacher has never seen the examples: of one with the given label y it says what it says of
one of its own m examples of class y, drawn at random. In a batch that is trained on it is another
one every time; everywhere else, on held-out examples too, each example has one that stays.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind

# Names the random streams of the draws.
PURPOSE = "light teacher"


class TeacherLogits:
    """The logits of T teachers in one table (R, C).

    ``each`` (T,): m of a teacher that answers by class, 0 of one that answers by example.
    """

    def __init__(self, kept: Sequence[Tensor], none: Tensor) -> None:
        """``kept``: (N, C) or (C, m, C) of each teacher; ``none``: the table (0, C) of none."""
        rows = [logits.flatten(0, -2) for logits in kept]
        self._table = torch.cat(rows) if rows else none
        sizes = torch.tensor([0, *(len(of_one) for of_one in rows)], device=none.device)
        self._start = sizes.cumsum(0)
        m = [logits.shape[1] if logits.dim() > 2 else 0 for logits in kept]
        self.each = torch.tensor(m, dtype=torch.int64, device=none.device)

    def at(self, teachers: Tensor, rows: Tensor, labels: Tensor, answers: Tensor | None) -> Tensor:
        """What teachers (L, M) say of examples at rows (L, B) of the data set, with given labels
        (L, B): ``(L, M, B, C)``.

        ``answers`` (L, M, B): which of the m logits of a class; None where all answer by example.
        """
        if not teachers.shape[1]:
            return self._table.new_zeros(len(rows), 0, rows.shape[1], self._table.shape[1])
        place = rows.unsqueeze(1)
        if answers is not None:
            m = self.each[teachers].unsqueeze(2)
            place = torch.where(m > 0, labels.unsqueeze(1) * m + answers, place)
        places = self._start[teachers].unsqueeze(2) + place
        # By one flat index, which is several times faster.
        flat = self._table.index_select(0, places.flatten())
        return flat.view(*places.shape, self._table.shape[1])


class Answers:
    """Which of their m logits of a class the light teachers of every lane give for an example."""

    def __init__(self, each: Tensor, seeds: Sequence[int], sizes: Mapping[str, int]) -> None:
        """``each`` (L, M): m, 0 of teachers that answer by example; ``sizes``: of every split."""
        self._m: list[list[int]] = each.tolist()
        self._device = each.device
        self._anew = [torch_generator(seed, PURPOSE) for seed in seeds]
        self._standing = {
            split: self._draw(size, [torch_generator(seed, PURPOSE, split) for seed in seeds])
            for split, size in sizes.items()
        }

    def standing(self, split: str, index: Tensor, lanes: Tensor | None) -> Tensor:
        """Those of the examples at places ``index`` (L, B) of ``split``: ``(L, M, B)``."""
        drawn = self._standing[split] if lanes is None else self._standing[split][lanes]
        return drawn.gather(2, index.unsqueeze(1).expand(-1, drawn.shape[1], -1))

    def anew(self, examples: int) -> Tensor:
        """Those of a batch that is trained on: ``(L, M, B)``."""
        return self._draw(examples, self._anew)

    def draws(self) -> dict[str, Any]:
        """How far every lane is."""
        return {PURPOSE: places(self._anew)}

    def go_on(self, draws: State) -> None:
        """Draw from there on."""
        wind(self._anew, draws[PURPOSE])

    def keep(self, lanes: Tensor) -> "Answers":
        """The same for ``lanes`` (indices) alone."""
        kept, chosen = copy.copy(self), lanes.tolist()
        kept._m = [self._m[i] for i in chosen]
        kept._anew = [self._anew[i] for i in chosen]
        kept._standing = {split: drawn[lanes] for split, drawn in self._standing.items()}
        return kept

    def _draw(self, examples: int, generators: Sequence[torch.Generator]) -> Tensor:
        """Of each lane's teachers one after the other, those that answer by class alone."""
        return torch.stack(
            [
                torch.stack([torch.randint(max(m, 1), (examples,), generator=g) for m in of_lane])
                for of_lane, g in zip(self._m, generators, strict=True)
            ]
        ).to(self._device)

"""What M teachers say of some pictures, by how it is known: kept, or asked for.

L lanes, B pictures of a batch.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainers.detection.data.teacher_outputs import FEATURES, LOGITS, TeacherOutputs
from trainers.detection.terms import Taught
from trainers.lanes.network import Output


class Kept(Taught):
    """What was kept of the teachers of rows (L, B)."""

    def __init__(
        self, outputs: TeacherOutputs, taught_by: Sequence[tuple[str, ...]], rows: Tensor
    ) -> None:
        self._outputs, self._by, self._rows = outputs, taught_by, rows

    def logits(self) -> Tensor:
        each = [
            self._outputs.at(LOGITS, [names[m] for names in self._by], self._rows)
            for m in range(len(self._by[0]))
        ]
        return torch.stack(each, dim=1)

    def features(self, m: int) -> Tensor:
        return self._outputs.at(FEATURES, [names[m] for names in self._by], self._rows)

    def variance(self, m: int) -> Tensor:
        own = [self._outputs.variance(names[m]) for names in self._by]
        return torch.tensor(own, device=self._rows.device)

    def part(self, at: slice) -> Taught:
        return Kept(self._outputs, self._by, self._rows[:, at])


class Asked(Taught):
    """What M teachers say of what is shown; ``width``: of their outputs."""

    def __init__(
        self, outputs: tuple[Output, ...], width: int, variances: Callable[[int], Tensor]
    ) -> None:
        self._outputs, self._width, self._variances = outputs, width, variances

    def logits(self) -> Tensor:
        return torch.stack([o.logits[..., : self._width] for o in self._outputs], dim=1)

    def features(self, m: int) -> Tensor:
        shown = self._outputs[m].features
        assert shown is not None
        return shown

    def variance(self, m: int) -> Tensor:
        return self._variances(m)

    def part(self, at: slice) -> Taught:
        parts = tuple(output.each(lambda t: t[:, at]) for output in self._outputs)
        return Asked(parts, self._width, self._variances)


class Nobody(Taught):
    """No teacher is asked about these."""

    def __init__(self, split: str) -> None:
        self._split = split

    def logits(self) -> Tensor:
        raise ValueError(f"teachers are not asked about the {self._split} split")

    def features(self, m: int) -> Tensor:
        return self.logits()

    def variance(self, m: int) -> Tensor:
        return self.logits()

    def part(self, at: slice) -> Taught:
        return self

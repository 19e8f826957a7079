"""Logits and labels drawn at random, and a method with a batch of them, for tests of one rule."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tests.trainers.cases import CLASSES, Trial, make_cohort, only
from trainers.classes.terms import ClassTargets
from trainers.fields import Value
from trainers.lanes.network import Output
from trainers.method import Method, Step
from trainers.task import Batch

EXAMPLES = 8


class Drawn(NamedTuple):
    """A method of as many lanes as values, and what its losses are asked with."""

    method: Method
    batch: Batch
    z: Tensor

    def step(self, z: Tensor | None = None) -> Step:
        """With the student's logits ``z``, by default those that were drawn."""
        output = Output(None, self.z if z is None else z)
        terms = self.method.data.terms(self.batch.targets, output, self.method.values)
        return Step(self.batch, output, terms)

    def losses(self, z: Tensor | None = None) -> Tensor:
        """(L, B)."""
        return self.method.losses(self.step(z))

    def lane(self, i: int) -> tuple[Tensor, Tensor, Tensor]:
        """Labels (B,), student logits (B, C), teachers' logits (M, B, C) of one lane."""
        return self.batch.targets.labels[i], self.z[i], self.batch.targets.teachers[i]


def drawn(name: str, values: Sequence[dict[str, Value]], teachers: int = 1) -> Drawn:
    """Lanes of the method ``name`` on logits that differ from lane to lane."""
    names = ("strong", "weak", "strong")[:teachers]
    trials = [Trial(f"lane-{i}", seed=i, teachers=names, values=v) for i, v in enumerate(values)]
    method = only(make_cohort(name, trials)).method
    g = torch.Generator().manual_seed(11)
    lanes = len(values)
    places = torch.arange(EXAMPLES).expand(lanes, -1)
    y = torch.randint(CLASSES, (lanes, EXAMPLES), generator=g)
    t = 2 * torch.randn(lanes, teachers, EXAMPLES, CLASSES, generator=g)
    z = 2 * torch.randn(lanes, EXAMPLES, CLASSES, generator=g)
    return Drawn(method, Batch(places, torch.empty(0), ClassTargets(y, lambda: t)), z)

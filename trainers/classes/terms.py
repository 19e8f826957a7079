"""What is lost where every example, or every row of one, has a class: the terms, and in closed form
their gradients and the losses of held-out examples.

L lanes, B examples, C classes, M teachers, K = 1 + M terms, V held-out examples, tau the lane's
temperature.

label     CE(y, z)
teacher   tau^2 KL(softmax(t / tau) || softmax(z / tau))
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.losses import (
    cross_entropy,
    cross_entropy_gradient,
    distillation,
    distillation_gradient,
    softmax,
)
from trainers.lanes.network import Output
from trainers.lanes.values import TEMPERATURE, LaneValues
from trainers.task import TEACHERS_SHARE, Part, Terms


class ClassTargets:
    """What the terms of some examples read: ``labels`` (L, B), and teachers' logits, which are only
    fetched where a term asks for them."""

    def __init__(self, labels: Tensor, fetch_teachers: Callable[[], Tensor]) -> None:
        self.labels = labels
        self._fetch_teachers = fetch_teachers

    @cached_property
    def teachers(self) -> Tensor:
        """The teachers' logits, (L, M, B, C)."""
        return self._fetch_teachers()

    def part(self, at: slice) -> "ClassTargets":
        """Those of some examples alone."""
        return ClassTargets(self.labels[:, at], lambda: self.teachers[:, :, at])


def temperature(values: LaneValues, like: Tensor) -> Tensor:
    """tau (L,), in the type of ``like`` (L, ...); 1 where the method has none."""
    found = values.numbers.get(TEMPERATURE)
    return like.new_ones(len(like)) if found is None else found


class ClassTerms(Terms):
    """The terms of examples with one class each, at logits (L, B, C)."""

    def __init__(self, targets: ClassTargets, z: Tensor, values: LaneValues) -> None:
        self._targets, self._z, self._values = targets, z, values

    def of_label(self) -> Tensor:
        return cross_entropy(self._z, self._targets.labels)

    def of_teachers(self) -> Tensor:
        tau = temperature(self._values, self._z).view(-1, 1, 1)
        return distillation(self._targets.teachers, self._z.unsqueeze(1), tau)

    def teacher(self, m: int) -> Tensor:
        tau = temperature(self._values, self._z).view(-1, 1)
        return distillation(self._targets.teachers[:, m], self._z, tau)

    @cached_property
    def label_at_teachers(self) -> Tensor:
        t, y = self._targets.teachers, self._targets.labels
        return cross_entropy(t, y.unsqueeze(1).expand(t.shape[:-1]))

    @property
    def uninformed(self) -> float:
        return math.log(self._z.shape[-1])


def class_term_gradients(targets: ClassTargets, z: Tensor, tau: Tensor) -> Tensor:
    """r of label and teachers, ``(L, B, K, C)``, at logits (L, B, C)."""
    z = z.mT.contiguous().mT
    return torch.stack(
        [
            cross_entropy_gradient(z, targets.labels),
            *(distillation_gradient(t, z, tau.view(-1, 1)) for t in targets.teachers.unbind(1)),
        ],
        dim=2,
    )


@dataclass(frozen=True)
class ClassObjective:
    """A loss of logits: sum over examples of w s^2 CE(p, softmax(z / s)).

    A divergence and a cross-entropy with the same target differ by a constant, so every goal is one
    of these, with a target p (L, C, V), a temperature s and a weight w, each (L, V), per example.
    """

    p: Tensor
    w: Tensor
    s: Tensor

    def loss(self, output: Output) -> Tensor:
        """At logits (L, V, C): ``(L,)``."""
        log_q = torch.log_softmax(output.logits.mT / self.s.unsqueeze(1), dim=1)
        return -(self.w * self.s.square() * (self.p * log_q).sum(1)).sum(-1)

    def gradient(self, z: Tensor) -> Tensor:
        """By logits (L, C, V): ``(L, C, V)``."""
        q = torch.softmax(z / self.s.unsqueeze(1), dim=1)
        return q.sub_(self.p).mul_((self.w * self.s).unsqueeze(1))


def class_objective(
    parts: Sequence[Part], classes: int, tau: Tensor, dtype: torch.dtype
) -> ClassObjective:
    """What parts with `ClassTargets` ask for; ``tau`` (L,)."""
    asked = [_asked(part, classes, tau, dtype) for part in parts]
    p, s = (torch.cat(tensors, dim=1) if len(tensors) > 1 else tensors[0]
            for tensors in zip(*asked, strict=True))  # fmt: skip
    weights = [part.weight for part in parts]
    w = torch.cat(weights, dim=1) if len(weights) > 1 else weights[0]
    return ClassObjective(p.mT.contiguous(), w, s)


def _asked(part: Part, classes: int, tau: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What the examples of a part should be: p (L, V, C), at temperature s (L, V)."""
    y, ones = part.targets.labels, torch.ones_like(part.targets.labels, dtype=dtype)
    if part.goal == "teacher" and part.split != "train":
        t = part.targets.teachers[:, -1]
        return softmax(t / tau.view(-1, 1, 1)), ones * tau.view(-1, 1)
    onehot = F.one_hot(y, classes).to(dtype)
    if part.goal == "mixed":
        t = part.targets.teachers[:, -1]
        return TEACHERS_SHARE * softmax(t) + (1 - TEACHERS_SHARE) * onehot, ones
    return onehot, ones

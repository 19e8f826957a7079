"""The versions of ALM-KD: what the weights of an example may be, and the settings that go with it.

K = 1 + M losses per example (the label's, then M teachers'), G examples of a group.

lam   weights                                             (..., K, G)
s     free coordinates that the gradient steps move       (..., K, G)
g     dL_val/dlam                                         (..., K, G)

Each step is s <- project(s - meta_lr * slope(lam, g)), then lam = weights(s).

Source: arXiv 2202.03250, its versions, and the history of its authors' public code. Departure:
weights reach the ends of their range exactly, where the authors keep a margin of 1e-7.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from trainers.fields import Value
from trainers.lanes.seeds import torch_generator
from trainers.mixing.alm_kd.defaults import HELD_OUT, INNER_REPEATS

# Where a weight that starts at zero lies as a logit; the margin of the authors' code.
SMALLEST_START = 1e-7


class Constraint(ABC):
    """Where the weights of an example may lie."""

    # The largest weight.
    high: float

    @abstractmethod
    def start(self, teachers: Tensor) -> Tensor:
        """Weights (N, K) from a starting value in [0, 1] for each teacher (N, M)."""

    def coordinates(self, lam: Tensor) -> Tensor:
        """Free coordinates (..., K) of the weights (..., K) that training starts with."""
        return lam.clone()

    @abstractmethod
    def weights(self, s: Tensor) -> Tensor:
        """The weights at coordinates ``s``."""

    @abstractmethod
    def slope(self, lam: Tensor, g: Tensor) -> Tensor:
        """The direction of ascent in the coordinates, from the gradient in the weights."""

    @abstractmethod
    def project(self, s: Tensor) -> Tensor:
        """The nearest coordinates that are allowed."""

    def descend(self, s: Tensor, lam: Tensor, g: Tensor, meta_lr: Tensor) -> Tensor:
        """One projected step of size ``meta_lr`` (broadcast over (..., K, G))."""
        return self.project(s - meta_lr * self.slope(lam, g))


class Complement(Constraint):
    """Each teacher's weight in [0, 1], the label's the rest: lam_0 = 1 - max_m lam_m.

    With several teachers every one of them moves along g_m - g_0, as in the authors' code, not
    only the one that is the maximum. The label's coordinate is not used.
    """

    high = 1.0

    def start(self, teachers: Tensor) -> Tensor:
        return torch.cat([1 - teachers.amax(-1, keepdim=True), teachers], dim=-1)

    def weights(self, s: Tensor) -> Tensor:
        teachers = s[..., 1:, :]
        return torch.cat([1 - teachers.amax(-2, keepdim=True), teachers], dim=-2)

    def slope(self, lam: Tensor, g: Tensor) -> Tensor:
        return g - g[..., :1, :]

    def project(self, s: Tensor) -> Tensor:
        return s.clamp(0.0, self.high)


class Box(Constraint):
    """Each weight on its own in [0, 2]."""

    high = 2.0

    def start(self, teachers: Tensor) -> Tensor:
        return torch.cat([1 - teachers.amax(-1, keepdim=True), teachers], dim=-1)

    def weights(self, s: Tensor) -> Tensor:
        return s

    def slope(self, lam: Tensor, g: Tensor) -> Tensor:
        return g

    def project(self, s: Tensor) -> Tensor:
        return s.clamp(0.0, self.high)


class Softmax(Constraint):
    """Weights that add up to 1: lam = softmax(s)."""

    high = 1.0

    def start(self, teachers: Tensor) -> Tensor:
        """The teachers share the mean of their values, the label has the rest."""
        share = teachers / teachers.shape[-1]
        return torch.cat([1 - share.sum(-1, keepdim=True), share], dim=-1)

    def coordinates(self, lam: Tensor) -> Tensor:
        return lam.clamp(min=SMALLEST_START).log()

    def weights(self, s: Tensor) -> Tensor:
        return torch.softmax(s, dim=-2)

    def slope(self, lam: Tensor, g: Tensor) -> Tensor:
        return lam * (g - (lam * g).sum(-2, keepdim=True))

    def project(self, s: Tensor) -> Tensor:
        return s


@dataclass(frozen=True)
class Variant:
    """One version of the method.

    ``start``: a teacher's weight before the first update; "uniform" draws it from U(0, 1) for each
    example and teacher, "equal" gives label and teachers the same. ``held_out``: share of the
    held-out mini-batch in the loss to be lowered, the rest is the training group's own.
    ``held_out_loss``: that loss, a `trainers.task.Goal`.
    """

    constraint: Constraint
    start: float | Literal["uniform", "equal"]
    inner_repeats: int
    held_out: float
    held_out_loss: str

    def starting_weights(self, start: Value, n: int, teachers: int, seed: int) -> Tensor:
        """Weights (n, 1 + teachers) before the first update."""
        chosen = self.start if start == "default" else start
        if chosen == "uniform":
            generator = torch_generator(seed, "alm_kd", "start")
            return self.constraint.start(torch.rand(n, teachers, generator=generator))
        if chosen == "equal":
            chosen = teachers / (1 + teachers)
        return self.constraint.start(torch.full((n, teachers), float(chosen)))


_VARIANTS: Sequence[tuple[str, Constraint, float | Literal["uniform", "equal"], str]] = (
    ("convex", Complement(), "uniform", "labels"),
    ("max", Complement(), "uniform", "mixed"),
    ("softmax", Softmax(), "equal", "teacher"),
    ("box", Box(), 0.9, "labels"),
)
VARIANTS: Mapping[str, Variant] = {
    name: Variant(constraint, start, INNER_REPEATS[name], HELD_OUT[name], goal)
    for name, constraint, start, goal in _VARIANTS
}

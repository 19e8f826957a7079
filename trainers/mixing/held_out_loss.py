"""The loss on held-out examples that a look-ahead should lower: its targets and weights, by row.

L lanes, N examples of a split, C classes, V rows of an evaluation, tau the lane's temperature.

``labels``    cross-entropy with the labels, on held-out rows and on the training group's own
``mixed``     KL(0.8 softmax(t) + 0.2 onehot(y) || softmax(z)) on both, t the last teacher's logits
``teacher``   tau^2 KL(softmax(t / tau) || softmax(z / tau)) on held-out rows, cross-entropy with
              the labels on the training group's own

A divergence and a cross-entropy with the same target differ by a constant, so all of them are
s^2 CE(p, softmax(z / s)) with a target p and a temperature s of each row.

Source: the authors' public code of arXiv 2202.03250, by version.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.losses import softmax
from trainers.classification.data.lanes import LaneData

TEACHERS_SHARE = 0.8


class Targets(NamedTuple):
    """What every example of a split should be: p (L, N, C), at temperature s (L, N)."""

    p: Tensor
    s: Tensor


@dataclass(frozen=True)
class Goal:
    """A loss of logits: sum over rows of w s^2 CE(p, softmax(z / s)); p (L, C, V), w, s (L, V)."""

    p: Tensor
    w: Tensor
    s: Tensor

    def loss(self, z: Tensor) -> Tensor:
        """The loss at logits ``z`` (L, C, V): ``(L,)``."""
        log_q = torch.log_softmax(z / self.s.unsqueeze(1), dim=1)
        return -(self.w * self.s.square() * (self.p * log_q).sum(1)).sum(-1)

    def gradient(self, z: Tensor) -> Tensor:
        """d loss / dz: ``(L, C, V)``."""
        q = torch.softmax(z / self.s.unsqueeze(1), dim=1)
        return q.sub_(self.p).mul_((self.w * self.s).unsqueeze(1))


def targets(data: LaneData, split: str, loss: str, tau: Tensor) -> Targets:
    """What ``loss`` asks of the examples of ``split``, with temperatures ``tau`` (L,)."""
    y = data.labels(split)
    dtype = tau.dtype
    onehot = F.one_hot(y, data.classes).to(dtype)
    ones = torch.ones_like(y, dtype=dtype)
    if loss == "labels" or (loss == "teacher" and split == "train"):
        return Targets(onehot, ones)
    t = data.teachers_of(split)[:, -1]
    if loss == "mixed":
        return Targets(TEACHERS_SHARE * softmax(t) + (1 - TEACHERS_SHARE) * onehot, ones)
    return Targets(softmax(t / tau.view(-1, 1, 1)), ones * tau.view(-1, 1))

"""What is lost on interactions: the terms, a mean over the negatives of each.

L lanes, B examples, n negatives of each, M teachers, tau the lane's temperature; s the student's
scores, t the teacher's, standardised per user, of the item of an interaction (0) and its
negatives (j).

label     mean over j of -log sigmoid(s_0 - s_j), the loss of BPR
teacher   mean over j of tau^2 KL(P_j || Q_j), of the two orders of the pair:
          P_j = sigmoid((t_0 - t_j) / tau), Q_j = sigmoid((s_0 - s_j) / tau)

Source: Rendle et al. 2009, arXiv 1205.2618; Hinton et al. 2015 on two classes.
"""

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.lanes.values import LaneValues
from trainers.task import Terms


class PairTargets:
    """What the terms of some examples read: the teachers' scores, only fetched where a term asks
    for them."""

    def __init__(self, fetch_teachers: Callable[[], Tensor]) -> None:
        self._fetch_teachers = fetch_teachers

    @cached_property
    def teachers(self) -> Tensor:
        """Scores of the item and its negatives, standardised per user, (L, M, B, 1 + n)."""
        return self._fetch_teachers()

    def part(self, at: slice) -> "PairTargets":
        """Those of some examples alone."""
        return PairTargets(lambda: self.teachers[:, :, at])


class PairTerms(Terms):
    """The terms of interactions at scores (L, B, 1 + n)."""

    def __init__(self, targets: PairTargets, scores: Tensor, values: LaneValues) -> None:
        self._targets, self._scores, self._values = targets, scores, values

    def of_label(self) -> Tensor:
        return _label(self._scores)

    def of_teachers(self) -> Tensor:
        return torch.stack([self.teacher(m) for m in range(self._targets.teachers.shape[1])], dim=1)

    def teacher(self, m: int) -> Tensor:
        tau = self._values.numbers.get("temperature")
        over = 1.0 if tau is None else tau.to(self._scores).view(-1, 1, 1)
        t, s = _above(self._targets.teachers[:, m]) / over, _above(self._scores) / over
        # torch's sigmoid rounds the last numbers of a tensor by another rule.
        first = 1 / (1 + torch.exp(-t))
        kl = first * (F.logsigmoid(t) - F.logsigmoid(s))
        kl = kl + (1 - first) * (F.logsigmoid(-t) - F.logsigmoid(-s))
        return (over * over * kl).mean(2)

    @property
    def label_at_teachers(self) -> Tensor:
        return torch.stack([_label(t) for t in self._targets.teachers.unbind(1)], dim=1)

    @property
    def uninformed(self) -> float:
        return math.log(2)


def _above(scores: Tensor) -> Tensor:
    """How far the first of the last dimension is above each of the others."""
    return scores[..., :1] - scores[..., 1:]


def _label(scores: Tensor) -> Tensor:
    return -F.logsigmoid(_above(scores)).mean(-1)

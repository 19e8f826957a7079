"""Ranking Distillation: the items that a teacher puts first count as if the user had taken them.

T items that the teacher puts first, r = 1, ..., T their ranks.

KD = mean over users of sum_r w_r (-log sigmoid(s_r)), w_r proportional to exp(-r / position_scale)

From the epoch ``dynamic_from`` on, w_r is multiplied by max(0, tanh(dynamic_scale (R_r - r))) and
normalised again: R_r is the rank that the student gives that item, estimated from `SAMPLED` drawn
items that the user has not taken. Where all of that is 0, nothing is lost.

Source: Tang and Wang 2018 (KDD), arXiv 1809.07428, in the form of UnKD's authors' public code.
Departure: added to the label's loss, and a sum over items, where that code mixes convexly and takes
the mean.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.recommendation.methods.ranking_method import RankingMethod, mean_over_users

SAMPLED = 100
ITEMS = 0


class Rd(RankingMethod):
    """The first items of the teacher, weighted by rank."""

    shaping = ("users", "top")
    purpose = "rd"

    def distilled(self, vectors: Tensor, users: Tensor, lanes: Tensor, step: int) -> Tensor:
        size = self.rankings.sizes(users, lanes)
        place = torch.arange(int(self.values.numbers["top"][lanes[0]]), device=users.device)
        there = place < size
        group = torch.zeros_like(place).expand_as(there)
        at = torch.minimum(place, (size - 1).clamp(min=0))
        scores = self.scores(vectors, users, self.rankings.items(users, lanes, group, at))
        # As a share of the first's, which is never too small for a number.
        weights = torch.exp(-place / self.number("position_scale", lanes)) * there
        weights = _normalised(weights)
        dynamic = self.values.numbers["dynamic_from"][lanes] <= self.epoch
        if bool(dynamic.any()):
            lag = self._student_ranks(vectors, users, lanes, scores, step) - (place + 1)
            moved = torch.tanh(self.number("dynamic_scale", lanes) * lag).clamp(min=0)
            weights = torch.where(dynamic.view(-1, 1, 1), _normalised(weights * moved), weights)
        lost = (weights * -F.logsigmoid(scores)).sum(2)
        return mean_over_users(lost, there.any(2))

    @torch.no_grad()
    def _student_ranks(
        self, vectors: Tensor, users: Tensor, lanes: Tensor, scores: Tensor, step: int
    ) -> Tensor:
        """About which rank the student gives to items with these scores (l, Q, T)."""
        x = self.drawn(lanes, step, ITEMS, (users.shape[1], SAMPLED))
        items = self.data.unseen.keep(lanes).of(users, x)
        others = self.scores(vectors, users, items)
        above = (others.unsqueeze(2) > scores.unsqueeze(3)).sum(3)
        return (self.data.dataset.shape[1] - 1) * above // SAMPLED + 1


def _normalised(weights: Tensor) -> Tensor:
    """Adding up to 1 over the last dimension; 0 where there is none."""
    total = weights.sum(2, keepdim=True)
    return weights / torch.where(total > 0, total, torch.ones_like(total))

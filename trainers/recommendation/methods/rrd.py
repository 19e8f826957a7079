"""Relaxed Ranking Distillation: the order of the items that a teacher puts first, which are all
before those that it does not.

K items that the teacher puts first, in its order, and O drawn of the others that the user has not
taken.

KD = mean over users and places k of -[s_k - log(sum_{l >= k} exp(s_l) + sum_{others} exp(s))]

Source: Kang et al. 2020 (CIKM), arXiv 2012.04357, with the first K as they are, which its authors'
repository names as better than a drawn part of more. Departure: a mean over places, where theirs is
a sum; others are drawn anew for each step.
"""

import torch
from torch import Tensor

from trainers.lanes.sequences import NOTHING
from trainers.recommendation.methods.ranking_method import RankingMethod, mean_over_users

OTHERS = 0


class Rrd(RankingMethod):
    """The likelihood of the teacher's order."""

    shaping = ("users", "top", "others")
    purpose = "rrd"

    def distilled(self, vectors: Tensor, users: Tensor, lanes: Tensor, step: int) -> Tensor:
        numbers = self.values.numbers
        top, others = (int(numbers[name][lanes[0]]) for name in ("top", "others"))
        size = self.rankings.sizes(users, lanes)
        # Of a user with few items all but one are put in order.
        first = torch.minimum(torch.full_like(size, top), (size - 1).clamp(min=0))
        place = torch.arange(top, device=users.device)
        there = place < first
        x = self.drawn(lanes, step, OTHERS, (users.shape[1], others))
        rest = first + (x * (size - first)).long()
        at = torch.cat([torch.where(there, place, 0), rest], dim=2)
        at = torch.minimum(at, (size - 1).clamp(min=0))
        items = self.rankings.items(users, lanes, torch.zeros_like(at), at)
        scores = self.scores(vectors, users, items)
        likelihood = order_likelihood(scores[..., :top], scores[..., top:], there)
        return mean_over_users(-likelihood, there.any(2))


def order_likelihood(ordered: Tensor, others: Tensor, there: Tensor) -> Tensor:
    """The mean over places of the log-likelihood of an order, of scores (l, Q, K) of the items in
    it and (l, Q, O) of those that come after: (l, Q). ``there`` (l, Q, K): which places there are,
    the first of them all."""
    # Finite, so that gradients are.
    masked = ordered.masked_fill(~there, NOTHING)
    after = torch.logsumexp(others, dim=2, keepdim=True)
    # From each place on, the others among them.
    onward = torch.logcumsumexp(torch.cat([after, masked.flip(2)], dim=2), dim=2)[..., 1:].flip(2)
    each = torch.where(there, ordered - onward, torch.zeros_like(ordered))
    return each.sum(2) / there.sum(2).clamp(min=1)

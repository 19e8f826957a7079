"""Unbiased KD: a teacher's order of items, within groups of items that are equally popular.

U users, K groups of items, M_ug items of group g that user u has not taken, at most `CANDIDATES`.

KD = mean over users and pairs of log(1 + exp(-(s_+ - s_-)))

Of each user that is drawn for a step ``pairs`` pairs are drawn: a group of those in which the user
has two items or more, each as likely, and two different ranks r = 1, 2, ... of the teacher's order
there, each with probability proportional to exp(-r / rank_scale); + is the better one. With one
group this is plain distillation of the teacher's order.

Source: Chen et al. 2023 (WWW), and its authors' public code. Departures: pairs are drawn anew for
each step, where theirs stay for an epoch; groups as `trainers.recommendation.data.popularity` has
them; a user with too few items of a group has no pairs of it.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.recommendation.methods.ranking_method import RankingMethod, mean_over_users

# Of each group, the best of the teacher.
CANDIDATES = 1000
# What is drawn: groups, then ranks, again and again where they are equal.
OF_GROUPS, OF_RANKS = 0, 1


class UnKd(RankingMethod):
    """Pairs within groups by popularity."""

    shaping = ("users", "pairs")
    purpose = "unkd"

    @property
    def groups(self) -> list[int]:
        return [int(count) for count in self.values.numbers["groups"]]

    def distilled(self, vectors: Tensor, users: Tensor, lanes: Tensor, step: int) -> Tensor:
        items, there = self.pairs(users, lanes, step)
        scores = self.scores(vectors, users, items.flatten(2)).view(items.shape)
        lost = -F.logsigmoid(scores[..., 0] - scores[..., 1]).mean(2)
        return mean_over_users(lost, there)

    def pairs(self, users: Tensor, lanes: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Items (l, Q, pairs, 2), the better one first, and which users have a group with two,
        (l, Q); of the others the items mean nothing."""
        count = int(self.values.numbers["pairs"][lanes[0]])
        shape = (users.shape[1], count)
        sizes = self.rankings.sizes(users, lanes).clamp(max=CANDIDATES)
        usable = sizes >= 2
        group = chosen(usable, self.drawn(lanes, step, OF_GROUPS, shape))
        size = sizes.gather(2, group).clamp(min=2)
        ranks = self._ranks(size, lanes, step)
        return self._items(users, lanes, group, ranks), usable.any(2)

    def _items(self, users: Tensor, lanes: Tensor, group: Tensor, ranks: Tensor) -> Tensor:
        own = [self.rankings.items(users, lanes, group, r) for r in ranks.unbind(3)]
        return torch.stack(own, dim=3)

    def _ranks(self, sizes: Tensor, lanes: Tensor, step: int) -> Tensor:
        """Two different ranks from 0, (l, Q, pairs, 2), the lower first, below ``sizes``."""
        scale = self.values.numbers["rank_scale"][lanes].double().view(-1, 1, 1)
        ranks = torch.zeros(*sizes.shape, 2, dtype=torch.int64, device=sizes.device)
        equal = torch.ones_like(sizes, dtype=torch.bool)
        draw = OF_RANKS
        while bool(equal.any()):
            for side in (0, 1):
                x = self.drawn(lanes, step, draw, sizes.shape[1:])
                ranks[..., side] = torch.where(equal, rank(x, sizes, scale), ranks[..., side])
                draw += 1
            equal = ranks[..., 0] == ranks[..., 1]
        return ranks.sort(dim=3).values


def rank(x: Tensor, sizes: Tensor, scale: Tensor) -> Tensor:
    """The rank r from 0 below ``sizes``, with probability proportional to exp(-r / scale), at a
    uniform number x in [0, 1)."""
    q = torch.exp(-1 / scale)
    r = torch.log1p(-x * (1 - q**sizes)) / torch.log(q)
    return torch.minimum(r.long(), sizes - 1)


def chosen(usable: Tensor, x: Tensor) -> Tensor:
    """A usable one of K, each as likely, at uniform numbers x (l, Q, n): its place (l, Q, n);
    ``usable`` (l, Q, K). 0 where none is."""
    count = usable.sum(2, keepdim=True)
    wanted = (x * count).long() + 1
    so_far = usable.cumsum(2).unsqueeze(2)
    reached = (so_far >= wanted.unsqueeze(3)) & usable.unsqueeze(2)
    return reached.to(torch.uint8).argmax(3)

"""In which order a teacher puts the items that each user has not taken in training.

L lanes, U users, I items, K groups of items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.data.popularity import NONE, popularity_groups


@dataclass(frozen=True)
class Rankings:
    """``order`` (T, U, I): items group by group, in each the best first; ``starts`` and ``counts``
    (T, U, K): where those of a group begin, and how many there are; ``which`` (L,): the one of each
    lane. K is that of the lane that has most; a group that a lane has not is empty."""

    order: Tensor
    starts: Tensor
    counts: Tensor
    which: Tensor

    @staticmethod
    def of(data: InteractionLanes, groups: Sequence[int]) -> "Rankings":
        """By the only teacher of every lane; ``groups``: of each lane, by popularity among what is
        trained on. With one, items that nobody took in training are in it, otherwise in none."""
        found: dict[tuple[int, int, int], int] = {}
        each: list[tuple[Tensor, Tensor, Tensor]] = []
        which = []
        most = max(groups)
        for lane, count in enumerate(groups):
            key = data.first_with_draw_of(lane), data.teacher_scores.number(lane, 0), count
            if key not in found:
                found[key] = len(each)
                each.append(_ranked(data, lane, count, most))
            which.append(found[key])
        order, starts, counts = (torch.stack(t) for t in zip(*each, strict=True))
        return Rankings(order, starts, counts, torch.tensor(which, device=order.device))

    def sizes(self, users: Tensor, lanes: Tensor) -> Tensor:
        """How many items each group has for users (l, Q) of some lanes: (l, Q, K)."""
        return self.counts[self.which[lanes].unsqueeze(1), users]

    def items(self, users: Tensor, lanes: Tensor, group: Tensor, place: Tensor) -> Tensor:
        """The items at places (l, Q, S), from 0, of groups (l, Q, S), of users (l, Q)."""
        which = self.which[lanes].view(-1, 1, 1)
        of_users = users.unsqueeze(2)
        start = self.starts[which, of_users, group]
        return self.order[which, of_users, start + place].long()

    def keep(self, lanes: Tensor) -> "Rankings":
        """Those of some lanes (indices)."""
        return Rankings(self.order, self.starts, self.counts, self.which[lanes])


def _ranked(
    data: InteractionLanes, lane: int, groups: int, most: int
) -> tuple[Tensor, Tensor, Tensor]:
    """``order``, ``starts`` and ``counts`` of one lane."""
    scores = data.teacher_scores.scores(lane, 0)
    users, items = data.training_of(lane)
    group = torch.zeros(scores.shape[1], dtype=torch.int64, device=scores.device)
    if groups > 1:
        group = torch.as_tensor(popularity_groups(data.counts(lane), groups)).to(group)
        # After all others.
        group[group == NONE] = most
    of_pair = group.repeat(len(scores), 1)
    of_pair[users, items] = most
    best_first = scores.sort(dim=1, descending=True, stable=True).indices
    by_group = of_pair.gather(1, best_first).sort(dim=1, stable=True).indices
    order = best_first.gather(1, by_group).to(torch.int32)
    counts = torch.stack([(of_pair == g).sum(1) for g in range(most)], dim=1)
    return order, counts.cumsum(1) - counts, counts

"""How good lists of recommended items are.

U users of whom something is to be found, K places of a list, from 1; relevance is binary.

recall@K   hits / |T_u|, T_u the user's items to be found
ndcg@K     sum over hits of 1 / log2(place + 1), over the sum for places 1 to min(K, |T_u|)

Both are means over users with an item to be found; of a group of items recall is that of its items
among the same list, over users with such an item. Source: as trec_eval and UnKD's authors' code,
where recall is not divided by min(K, |T_u|).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

# Places of the longest list.
LONGEST = 20


@dataclass(frozen=True)
class Found:
    """The lists of one lane, and what is in them.

    ``hits`` (U, LONGEST) bool: which places hold an item to be found; ``popular`` (U, LONGEST)
    bool: which hold an item of the popular group; ``listed`` (U, LONGEST): the items, -1 where
    there is none. ``to_find`` (U,), ``popular_to_find`` (U,): how many items are to be found, and
    how many of these are popular. ``items``: how many there are.
    """

    hits: Tensor
    popular: Tensor
    listed: Tensor
    to_find: Tensor
    popular_to_find: Tensor
    items: int

    @cached_property
    def gains(self) -> Tensor:
        """What a hit in each place is worth, (LONGEST,)."""
        return 1 / torch.log2(torch.arange(2, LONGEST + 2, device=self.hits.device).double())

    def recall(self, places: int) -> float:
        return _mean(self.hits[:, :places].sum(1), self.to_find)

    def ndcg(self, places: int) -> float:
        gained = (self.hits[:, :places] * self.gains[:places]).sum(1)
        best = self.gains.cumsum(0)[self.to_find.clamp(min=1, max=places) - 1]
        return _mean(gained, best, self.to_find > 0)

    def recall_of_group(self, popular: bool) -> float:
        mine = self.hits & (self.popular == popular)
        count = self.popular_to_find if popular else self.to_find - self.popular_to_find
        return _mean(mine.sum(1), count)

    def share_unpopular(self) -> float:
        there = self.listed >= 0
        return 100.0 * float((there & ~self.popular).sum() / there.sum().clamp(min=1))

    def coverage(self) -> float:
        # Where there is none, -1.
        times = torch.bincount(1 + self.listed.flatten(), minlength=1 + self.items)
        return 100.0 * int((times[1:] > 0).sum()) / self.items


# By the name of the metric.
MEASURES: Mapping[str, Callable[[Found], float]] = {
    "ndcg_20": lambda found: found.ndcg(20),
    "recall_20": lambda found: found.recall(20),
    "ndcg_10": lambda found: found.ndcg(10),
    "recall_10": lambda found: found.recall(10),
    "recall_20_popular": lambda found: found.recall_of_group(popular=True),
    "recall_20_unpopular": lambda found: found.recall_of_group(popular=False),
    "share_unpopular": Found.share_unpopular,
    "coverage": Found.coverage,
}


def top(scores: Tensor, places: int) -> Tensor:
    """The columns of the largest of scores (U, I), (U, places); of equal ones the first column
    comes first. ``places`` at most I."""
    values = scores.cpu().numpy()
    # One more, as what is cut off may equal the last. In half the time that torch.topk takes.
    first = max(values.shape[1] - places - 1, 0)
    columns = np.argpartition(values, first, axis=1)[:, first:]
    best = np.take_along_axis(values, columns, axis=1)
    order = np.argsort(-best, axis=1)
    best, columns = np.take_along_axis(best, order, axis=1), np.take_along_axis(columns, order, 1)
    columns = columns[:, :places]
    tied = (best[:, 1:] == best[:, :-1]).any(1)
    if tied.any():
        # Which of equal ones are there, and in which order, is left open.
        columns[tied] = np.argsort(-values[tied], axis=1, kind="stable")[:, :places]
    return torch.as_tensor(columns, device=scores.device)


def _mean(numerator: Tensor, denominator: Tensor, counts: Tensor | None = None) -> float:
    """The mean of the ratios in percent, over those that count, by default where the denominator
    is not 0; NaN where none does."""
    of = denominator > 0 if counts is None else counts
    return 100.0 * float((numerator[of].double() / denominator[of].double()).mean())

"""Vectors of users and items whose products are scores, over lanes: matrix factorisation.

L lanes, B examples, S items of each, U users, I items, D numbers of a vector.

s_ui = p_u . q_i. Source: Rendle et al. 2009 (UAI), arXiv 1205.2618, whose loss is the task's label
term; vectors start by Xavier's uniform rule over each table, as in UnKD's authors' code.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainers.lanes.network import Output
from trainers.recommendation.networks.network import (
    Asked,
    Known,
    Lists,
    Recommender,
    rows_of,
    seen_table,
)
from trainers.settings import ModelSpec


class Factors(Recommender):
    """``users`` (L, U, D), ``items`` (L, I, D)."""

    def __init__(
        self, spec: ModelSpec, known: Known, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__(known)
        width = spec.sizes["width"]
        self.users = nn.Parameter(self._drawn(known.users_count, width, generators))
        self.items = nn.Parameter(self._drawn(known.items_count, width, generators))

    def forward(self, x: Asked) -> Output:
        """Features: the vectors of all users, then of all items, (L, U + I, D)."""
        vectors = torch.cat(self.vectors(), dim=1)
        return Output(vectors, pair_scores(vectors, self._shape[0], x))

    def vectors(self) -> tuple[Tensor, Tensor]:
        """Those whose products are scores, of users (L, U, D) and items (L, I, D)."""
        return self.users, self.items

    def penalty(self, x: Asked) -> Tensor:
        of_users = self.users.square().sum(2).gather(1, x.users)
        of_items = self.items.square().sum(2).gather(1, x.items.flatten(1)).view(x.items.shape)
        return 0.5 * (of_users + of_items[:, :, 0] + of_items[:, :, 1:].mean(2))

    @torch.no_grad()
    def lists(self, lane: int, order: Tensor) -> Lists:
        users, items = self._vectors_of(lane)
        return Lists(users, items[order].mT.contiguous())

    def alone(self, weights: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        users, items = self._alone(weights)
        seen = seen_table(weights, self._shape, self._longest)
        return {"users": users, "items": items, "seen": seen}

    def _vectors_of(self, lane: int) -> tuple[Tensor, Tensor]:
        """Those of one lane, without its dimension."""
        return self.users[lane], self.items[lane]

    def _alone(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The same from the weights of one lane."""
        return weights["users"], weights["items"]

    def _drawn(self, count: int, width: int, generators: Sequence[torch.Generator]) -> Tensor:
        """First vectors of every lane, (L, count, width)."""
        bound = math.sqrt(6 / (count + width))
        drawn = [torch.empty(count, width).uniform_(-bound, bound, generator=g) for g in generators]
        return torch.stack(drawn)


def pair_scores(vectors: Tensor, users: int, asked: Asked) -> Tensor:
    """Scores (L, B, S) of what is asked, from the vectors (L, U + I, D) of U ``users`` and of all
    items."""
    mine = rows_of(vectors, asked.users).unsqueeze(2)
    return (mine * rows_of(vectors, asked.items + users)).sum(-1)

"""Vectors that are smoothed over the graph of training interactions, over lanes: LightGCN.

L lanes, N training interactions, U users, I items, D numbers of a vector, e_ui an interaction.

x_u^(k + 1) = sum_{i: e_ui} x_i^(k) / sqrt(n_u n_i), and likewise for items; the vectors whose
products are scores are the means of x^(0), ..., x^(layers). What learns, and is penalised, is
x^(0).

Source: He et al. 2020 (SIGIR), arXiv 2002.02126; x^(0) starts from N(0, 0.1^2), as in its authors'
code.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from trainers.recommendation.networks.factors import Factors
from trainers.recommendation.networks.network import Known, rows_of
from trainers.settings import ModelSpec

STD = 0.1


class LightGcn(Factors):
    """As `Factors`, whose vectors are propagated."""

    of_data = Factors.of_data | {"edges"}
    edges: Tensor

    def __init__(
        self, spec: ModelSpec, known: Known, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__(spec, known, generators)
        self._layers = spec.sizes["layers"]
        self.register_buffer("edges", edge_weights(known))

    def vectors(self) -> tuple[Tensor, Tensor]:
        return propagated(
            self.users, self.items, (self.seen_users, self.seen_items, self.edges), self._layers
        )

    def _vectors_of(self, lane: int) -> tuple[Tensor, Tensor]:
        at = slice(lane, lane + 1)
        graph = self.seen_users[at], self.seen_items[at], self.edges[at]
        users, items = propagated(self.users[at], self.items[at], graph, self._layers)
        return users[0], items[0]

    def _alone(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        stacked = {name: t.unsqueeze(0) for name, t in weights.items()}
        graph = stacked["seen_users"], stacked["seen_items"], stacked["edges"]
        users, items = propagated(stacked["users"], stacked["items"], graph, self._layers)
        return users[0], items[0]

    def _drawn(self, count: int, width: int, generators: Sequence[torch.Generator]) -> Tensor:
        return torch.stack(
            [torch.empty(count, width).normal_(0.0, STD, generator=g) for g in generators]
        )


def edge_weights(known: Known) -> Tensor:
    """1 / sqrt(n_u n_i) of each training interaction, (L, N)."""
    ones = torch.ones(known.users.shape, device=known.users.device)
    lanes = len(ones)
    of_users = ones.new_zeros(lanes, known.users_count).scatter_add_(1, known.users, ones)
    of_items = ones.new_zeros(lanes, known.items_count).scatter_add_(1, known.items, ones)
    product = of_users.gather(1, known.users) * of_items.gather(1, known.items)
    return product.rsqrt().to(torch.get_default_dtype())


def propagated(
    users: Tensor, items: Tensor, graph: tuple[Tensor, Tensor, Tensor], layers: int
) -> tuple[Tensor, Tensor]:
    """The means over layers of vectors (L, U, D) and (L, I, D); ``graph``: users and items of each
    interaction, and its weight, (L, N) each."""
    of_users, of_items, weights = graph
    mean_users, mean_items = users, items
    for _ in range(layers):
        users, items = (
            _gathered(items, of_items, of_users, weights, users.shape[1]),
            _gathered(users, of_users, of_items, weights, items.shape[1]),
        )
        mean_users, mean_items = mean_users + users, mean_items + items
    return mean_users / (1 + layers), mean_items / (1 + layers)


def _gathered(x: Tensor, source: Tensor, target: Tensor, weights: Tensor, count: int) -> Tensor:
    """Of each of ``count`` vertices the weighted sum of its neighbours: (L, count, D)."""
    lanes, _, width = x.shape
    sent = rows_of(x, source) * weights.unsqueeze(2)
    first = torch.arange(lanes, device=x.device) * count
    places = (target + first.unsqueeze(1)).flatten()
    empty = x.new_zeros(lanes * count, width)
    return empty.index_add(0, places, sent.flatten(0, 1)).view(lanes, count, width)

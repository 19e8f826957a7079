"""Vectors that are smoothed over the graph of training interactions, over lanes: LightGCN.

L lanes, N training interactions, V = U + I vertices (users, then items), D numbers of a vector,
A (V, V) the graph: 1 / sqrt(n_u n_i) for an interaction of user u with item i, either way round.

The vectors whose products are scores are the mean of x, A x, ..., A^layers x. What learns, and is
penalised, is x.

Source: He et al. 2020 (SIGIR), arXiv 2002.02126; x starts from N(0, 0.1^2), as in its authors'
code.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainers.recommendation.networks.factors import Factors
from trainers.recommendation.networks.network import Known
from trainers.settings import ModelSpec

STD = 0.1

with warnings.catch_warnings():
    # That compressed rows may still change torch says once, at the first of them.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], size=(1, 1))


class Graph(NamedTuple):
    """A of every lane in compressed rows: ``starts`` (L, V + 1), where the neighbours of a vertex
    begin, ``neighbours`` (L, 2 N), ``weights`` (L, 2 N)."""

    starts: Tensor
    neighbours: Tensor
    weights: Tensor

    def times(self, x: Tensor) -> Tensor:
        """A x of every lane, (L, V, D)."""
        size = (x.shape[1], x.shape[1])
        lanes = zip(*self, x, strict=True)
        return torch.stack(
            [
                torch.sparse_csr_tensor(starts, neighbours, weights, size=size) @ of_lane
                for starts, neighbours, weights, of_lane in lanes
            ]
        )

    def smoothed(self, x: Tensor, layers: int) -> Tensor:
        """The mean of x, A x, ..., A^layers x."""
        total = x
        for _ in range(layers):
            x = self.times(x)
            total = total + x
        return total / (1 + layers)


class _Smoothing(torch.autograd.Function):
    """`Graph.smoothed`, a symmetric linear map: what leads back through it is the map itself."""

    @staticmethod
    def forward(x: Tensor, starts: Tensor, neighbours: Tensor, weights: Tensor, layers: int) -> Any:
        return Graph(starts, neighbours, weights).smoothed(x, layers)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, *graph, layers = inputs
        ctx.save_for_backward(*graph)
        ctx.save_for_forward(*graph)
        ctx.layers = layers

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        return smoothing(gradient, *ctx.saved_tensors, ctx.layers), None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Any, *_: Any) -> Any:
        return smoothing(tangent, *ctx.saved_tensors, ctx.layers)


smoothing: Callable[..., Tensor] = _Smoothing.apply


class LightGcn(Factors):
    """As `Factors`, whose vectors are smoothed; its graph is in buffers."""

    of_data = Factors.of_data | {f"graph_{name}" for name in Graph._fields}
    graph_starts: Tensor
    graph_neighbours: Tensor
    graph_weights: Tensor

    def __init__(
        self, spec: ModelSpec, known: Known, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__(spec, known, generators)
        self._layers = spec.sizes["layers"]
        for name, tensor in graph_of(known)._asdict().items():
            self.register_buffer(f"graph_{name}", tensor)

    def vectors(self) -> tuple[Tensor, Tensor]:
        graph = self.graph_starts, self.graph_neighbours, self.graph_weights
        x = torch.cat([self.users, self.items], dim=1)
        smooth = smoothing(x, *graph, self._layers)
        return smooth[:, : self._shape[0]], smooth[:, self._shape[0] :]

    def _vectors_of(self, lane: int) -> tuple[Tensor, Tensor]:
        return self._alone({name: tensor[lane] for name, tensor in self.held().items()})

    def _alone(self, weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        graph = Graph(*(weights[f"graph_{name}"].unsqueeze(0) for name in Graph._fields))
        x = torch.cat([weights["users"], weights["items"]]).unsqueeze(0)
        smooth = graph.smoothed(x, self._layers)[0]
        return smooth[: self._shape[0]], smooth[self._shape[0] :]

    def _drawn(self, count: int, width: int, generators: Sequence[torch.Generator]) -> Tensor:
        return torch.stack(
            [torch.empty(count, width).normal_(0.0, STD, generator=g) for g in generators]
        )


def graph_of(known: Known) -> Graph:
    """That of every lane's training interactions."""
    vertices = known.users_count + known.items_count
    items = known.items + known.users_count
    rows, columns = torch.cat([known.users, items], dim=1), torch.cat([items, known.users], dim=1)
    order = (rows * vertices + columns).argsort(1)
    rows, columns = rows.gather(1, order), columns.gather(1, order)
    degrees = torch.zeros(len(rows), vertices, dtype=torch.int64, device=rows.device)
    degrees.scatter_add_(1, rows, torch.ones_like(rows))
    starts = torch.nn.functional.pad(degrees.cumsum(1), (1, 0))
    product = degrees.gather(1, rows) * degrees.gather(1, columns)
    return Graph(starts, columns, product.to(torch.get_default_dtype()).rsqrt())

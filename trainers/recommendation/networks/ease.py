"""A linear map from what a user took to scores, in closed form: EASE. It teaches and never learns.

U users, I items, X (U, I) the training interactions as 0 and 1.

P = (X^T X + ridge 1)^-1, B_ij = -P_ij / P_jj, B_jj = 0, scores X B.

Source: Steck 2019 (WWW), arXiv 1905.03375.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from trainers.lanes.network import Output
from trainers.recommendation.networks.network import Asked, Known, Lists, Recommender
from trainers.settings import ModelSpec


class Ease(Recommender):
    """``scores`` (L, U, I), a buffer."""

    scores: Tensor

    def __init__(
        self, spec: ModelSpec, known: Known, generators: Sequence[torch.Generator]
    ) -> None:
        """Draws nothing from ``generators``, one for each lane."""
        super().__init__(known)
        ridge = float(spec.sizes["ridge"])
        of_lanes: dict[bytes, Tensor] = {}
        each = []
        # On the CPU wherever the lanes are: once, in double precision.
        for users, items in zip(known.users.cpu(), known.items.cpu(), strict=True):
            key = users.numpy().tobytes() + items.numpy().tobytes()
            if key not in of_lanes:
                of_lanes[key] = ease_scores(users, items, self._shape, ridge)
            each.append(of_lanes[key])
        self.register_buffer("scores", torch.stack(each).to(torch.get_default_dtype()))

    def forward(self, x: Asked) -> Output:
        count, items = self._shape
        places = x.users.unsqueeze(2) * items + x.items
        found = self.scores.view(-1, count * items).gather(1, places.flatten(1))
        return Output(None, found.view(x.items.shape))

    def lists(self, lane: int, order: Tensor) -> Lists:
        return Lists(self.scores[lane][:, order])


def ease_scores(users: Tensor, items: Tensor, shape: tuple[int, int], ridge: float) -> Tensor:
    """Scores (U, I) from interactions (N,), in double precision; ``shape``: U, I."""
    x = torch.zeros(shape, dtype=torch.float64)
    x[users, items] = 1.0
    gram = x.mT @ x
    gram.diagonal().add_(ridge)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram))
    weights = -inverse / inverse.diagonal()
    weights.fill_diagonal_(0.0)
    return x @ weights

"""What methods that distil a teacher's order of items share.

L lanes, B examples of a batch, Q users of a step, U users, I items, D numbers of a vector.

L_ui = label_ui + kd_weight KD, with KD a mean over Q users that are drawn for each step, whichever
examples the batch has: every user counts as much, as in the papers, not as often as it has
interactions.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainers.lanes.counted_draws import lane_seeds, uniform
from trainers.lanes.network import LaneNetwork
from trainers.lanes.state import State
from trainers.method import Method, Setup, Step
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.methods.rankings import Rankings
from trainers.recommendation.networks.factors import pair_scores
from trainers.recommendation.networks.network import Asked

# Counters of draws: of users, of what is drawn for them.
OF_USERS, OF_ITEMS = 0, 1


class RankingMethod(Method):
    """Distillation of an order of items that users have not taken in training.

    ``shaping``: hyperparameters on which the sizes of what is computed depend; lanes that agree in
    them are computed together.
    """

    shaping: tuple[str, ...]
    # Names the random streams of its own.
    purpose: str
    data: InteractionLanes

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.rankings = Rankings.of(self.data, self.groups)
        self.seeds = lane_seeds(list(setup.seeds), self.purpose).to(self.data.device)
        self.epoch = 0
        self._steps = 0

    @property
    def groups(self) -> list[int]:
        """How many groups of items every lane has."""
        return [1] * self.data.lanes

    @abstractmethod
    def distilled(self, vectors: Tensor, users: Tensor, lanes: Tensor, step: int) -> Tensor:
        """KD (l,) of some lanes that agree in `shaping`: of the vectors of all users and items
        (l, U + I, D), on users (l, Q)."""

    def losses(self, step: Step) -> Tensor:
        self._steps += 1
        vectors = step.output.features
        assert vectors is not None
        parts, places = [], []
        for shape, of_shape in self._shapes().items():
            lanes = torch.tensor(of_shape, device=vectors.device)
            q = torch.arange(shape[0], device=vectors.device)
            x = uniform(self.seeds[lanes].unsqueeze(1), OF_USERS, self._steps, q)
            users = (x * self.data.dataset.shape[0]).long()
            mine = vectors if len(lanes) == len(vectors) else vectors[lanes]
            parts.append(self.distilled(mine, users, lanes, self._steps))
            places.append(lanes)
        kd = torch.cat(parts)[torch.cat(places).argsort()]
        weight = self.values.numbers["kd_weight"]
        return step.terms.label + (weight * kd).unsqueeze(1)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self.epoch = epoch

    def scores(self, vectors: Tensor, users: Tensor, items: Tensor) -> Tensor:
        """Of users (l, Q) for items (l, Q, S)."""
        return pair_scores(vectors, self.data.dataset.shape[0], Asked(users, items))

    def drawn(self, lanes: Tensor, step: int, what: int, shape: tuple[int, ...]) -> Tensor:
        """Uniform numbers (l, *shape) for the ``what``-th thing that is drawn for items."""
        count = torch.Size(shape).numel()
        places = torch.arange(count, device=self.seeds.device)
        x = uniform(self.seeds[lanes].unsqueeze(1), OF_ITEMS + what, step, places)
        return x.view(len(lanes), *shape)

    def number(self, name: str, lanes: Tensor) -> Tensor:
        """A hyperparameter of some lanes, (l, 1, 1)."""
        return self.values.numbers[name][lanes].view(-1, 1, 1)

    def state(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def load_state(self, state: State) -> None:
        self._steps = state["steps"]

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self.rankings = self.rankings.keep(lanes)
        self.seeds = self.seeds[lanes]

    def _shapes(self) -> Mapping[tuple[int, ...], list[int]]:
        """Lanes by the sizes of what is computed of them, that of Q first."""
        shapes: dict[tuple[int, ...], list[int]] = {}
        for lane in range(self.data.lanes):
            shape = tuple(int(self.values.numbers[name][lane]) for name in self.shaping)
            shapes.setdefault(shape, []).append(lane)
        return shapes


def mean_over_users(lost: Tensor, there: Tensor) -> Tensor:
    """The mean of what is lost on users (l, Q), over those that have something to lose: (l,)."""
    return (lost * there).sum(1) / there.sum(1).clamp(min=1)

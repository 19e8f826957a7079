"""What is kept of teachers of recommendation: a score for every user and item.

L lanes, M teachers of a lane, T teachers of a cohort, U users, I items.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.recommendation.data.dataset import too_many_scores
from trainers.task import KeptOutputs

# The only array of what is kept.
SCORES = "scores"


def kept(scores: Tensor) -> dict[str, NDArray[Any]]:
    """What is kept of scores (U, I); ValueError where that is too much."""
    users, items = scores.shape
    if problem := too_many_scores(users, items):
        raise ValueError(problem)
    return {SCORES: scores.cpu().numpy().astype(np.float32)}


class TeacherScores:
    """The scores of every lane's teachers."""

    def __init__(
        self,
        outputs: Mapping[str, KeptOutputs],
        taught_by: Sequence[tuple[str, ...]],
        device: torch.device,
    ) -> None:
        """``taught_by``: the names of every lane's M teachers."""
        names = list(dict.fromkeys(name for of_lane in taught_by for name in of_lane))
        dtype = torch.get_default_dtype()
        each = [
            torch.as_tensor(outputs[name][SCORES], device=device, dtype=dtype) for name in names
        ]
        # Of every teacher, (T, U, I).
        self._stacked = torch.stack(each) if names else torch.zeros(0, 0, 0, device=device)
        which = [[names.index(name) for name in of_lane] for of_lane in taught_by]
        self._which = torch.tensor(which, device=device, dtype=torch.int64).view(len(which), -1)
        self._mean: Tensor | None = None
        self._deviation: Tensor | None = None

    def scores(self, lane: int, m: int) -> Tensor:
        """Those of a lane's teacher ``m`` (from 0), (U, I), as it gave them."""
        return self._stacked[int(self._which[lane, m])]

    def number(self, lane: int, m: int) -> int:
        """The same for lanes that hear the same teacher."""
        return int(self._which[lane, m])

    def standardise(self, users: Tensor, items: Tensor) -> None:
        """Take scores by how many standard deviations they are above a user's mean, both over the
        items that are not among these interactions (L, N)."""
        if self._mean is not None or not self._which.numel():
            return
        found: dict[tuple[int, bytes], tuple[Tensor, Tensor]] = {}
        means, deviations = [], []
        for lane, (of_lane, taken) in enumerate(zip(users, items, strict=True)):
            key = of_lane.cpu().numpy().tobytes() + taken.cpu().numpy().tobytes()
            for m in range(self._which.shape[1]):
                number = int(self._which[lane, m])
                if (number, key) not in found:
                    found[number, key] = spread(self._stacked[number], of_lane, taken)
                mean, deviation = found[number, key]
                means.append(mean)
                deviations.append(deviation)
        shape = (*self._which.shape, -1)
        self._mean = torch.stack(means).view(shape)
        self._deviation = torch.stack(deviations).view(shape)

    def at(self, users: Tensor, items: Tensor, lanes: Tensor | None = None) -> Tensor:
        """Scores of ``items`` (L, B, S) for ``users`` (L, B), standardised: (L, M, B, S);
        ``lanes``: those of the rows, by default all."""
        assert self._mean is not None
        assert self._deviation is not None
        which = self._which if lanes is None else self._which[lanes]
        mean = self._mean if lanes is None else self._mean[lanes]
        deviation = self._deviation if lanes is None else self._deviation[lanes]
        _, count, number = self._stacked.shape
        places = (users.unsqueeze(2) * number + items).unsqueeze(1)
        places = places + (which * (count * number)).view(*which.shape, 1, 1)
        found = self._stacked.flatten().index_select(0, places.flatten()).view(places.shape)
        of_users = users.unsqueeze(1).expand(-1, which.shape[1], -1)
        centre = mean.gather(2, of_users).unsqueeze(3)
        return (found - centre) / deviation.gather(2, of_users).unsqueeze(3)

    def keep(self, lanes: Tensor) -> "TeacherScores":
        """Those of some lanes (indices)."""
        kept_lanes = object.__new__(TeacherScores)
        kept_lanes._stacked = self._stacked
        kept_lanes._which = self._which[lanes]
        kept_lanes._mean = None if self._mean is None else self._mean[lanes]
        kept_lanes._deviation = None if self._deviation is None else self._deviation[lanes]
        return kept_lanes


def spread(scores: Tensor, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (U,) of every user's scores (U, I) over the items that are not
    among the interactions (N,); a deviation of 0 counts as 1."""
    wide = scores.double()
    left = torch.ones_like(wide, dtype=torch.bool)
    left[users, items] = False
    # Of what is left alone: with the rest taken off a sum, equal scores would differ by rounding.
    count = left.sum(1)
    mean = (wide * left).sum(1) / count
    squares = ((wide - mean.unsqueeze(1)).square() * left).sum(1)
    deviation = (squares / count).sqrt()
    deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
    return mean.to(scores), deviation.to(scores)

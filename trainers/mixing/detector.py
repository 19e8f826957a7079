"""How well a score tells clean from corrupted examples."""

import numpy as np
import torch
from torch import Tensor


def auroc(score: Tensor, positive: Tensor) -> Tensor:
    """Area under the ROC curve per lane: score (L, N), positive (L, N) bool -> (L,).

    The chance that a positive scores above a negative, ties counted one half (Mann-Whitney U).
    NaN where a lane has no positive or no negative.
    """
    n = score.shape[1]
    order = _ascending(score)
    ordered = score.gather(1, order)
    place = torch.arange(n, device=score.device)
    begins = torch.ones_like(positive)
    begins[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # Of equal scores, all have the mean of their ranks.
    first = (place * begins).cummax(1).values
    last = torch.where(begins.roll(-1, 1), place, n).flip(1).cummin(1).values.flip(1)
    rank = (first + last + 2).to(torch.float64) / 2
    positives = positive.sum(1).to(torch.float64)
    negatives = n - positives
    u = (rank * positive.gather(1, order)).sum(1) - positives * (positives + 1) / 2
    return (u / (positives * negatives)).to(score.dtype)


def _ascending(score: Tensor) -> Tensor:
    """Places of score (L, N) from low to high, ties in any order: ``(L, N)``."""
    if score.device.type == "cpu":
        # Several times as fast as torch's, which keeps ties in their order.
        return torch.from_numpy(np.argsort(score.numpy(), axis=1))
    return score.argsort(dim=1)

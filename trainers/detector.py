"""How well a score tells clean from corrupted examples."""

import torch
from torch import Tensor


def auroc(score: Tensor, positive: Tensor) -> Tensor:
    """Area under the ROC curve per lane: score (L, N), positive (L, N) bool -> (L,).

    The chance that a positive scores above a negative, ties counted one half (Mann-Whitney U).
    NaN where a lane has no positive or no negative.
    """
    score = score.contiguous()
    ordered = score.sort(dim=1).values
    below = torch.searchsorted(ordered, score, side="left")
    up_to = torch.searchsorted(ordered, score, side="right")
    rank = (below + up_to + 1).to(torch.float64) / 2
    positives = positive.sum(1).to(torch.float64)
    negatives = score.shape[1] - positives
    u = (rank * positive).sum(1) - positives * (positives + 1) / 2
    return (u / (positives * negatives)).to(score.dtype)

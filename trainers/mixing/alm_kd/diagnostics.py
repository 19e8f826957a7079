"""What ALM-KD tells of its weights after every epoch.

L lanes, N weighed examples, or rows of them, whose weights are learned, K = 1 + M losses of each.
"""

import torch
from torch import Tensor

from trainers.mixing.detector import auroc

LABEL = 0
# How near to an end of its range a weight counts as being there, as a share of the range.
NEAR_END = 0.01


def diagnostics(lam: Tensor, corrupted: Tensor, high: Tensor) -> dict[str, Tensor]:
    """Of weights lam (L, N, K), each (L,); NaN where a lane has none.

    ``corrupted`` (L, N): whose label is wrong; ``high`` (L,): the largest weight of each lane.
    """
    label = lam[..., LABEL]
    teachers = [lam[..., m].mean(-1) for m in range(1, lam.shape[-1])]
    each = {f"lambda_teacher_{m}": mean for m, mean in enumerate(teachers, start=1)}
    return {
        "lambda_label": label.mean(-1),
        "lambda_label_clean": _mean_where(label, ~corrupted),
        "lambda_label_corrupted": _mean_where(label, corrupted),
        "lambda_teacher": torch.stack(teachers).mean(0),
        "lambda_auroc": auroc(label, ~corrupted),
        "lambda_at_ends": _at_ends(lam, high),
        **(each if len(each) > 1 else {}),
    }


def _at_ends(lam: Tensor, high: Tensor) -> Tensor:
    """The share of weights (L, N, K) that stand at an end of their range, (L,)."""
    of_range = lam / high.view(-1, 1, 1)
    return ((of_range - 0.5).abs() >= 0.5 - NEAR_END).float().mean((1, 2))


def _mean_where(x: Tensor, chosen: Tensor) -> Tensor:
    """The mean of x (L, N) over the chosen examples (L, N) -> (L,); NaN where there is none."""
    return (x * chosen).sum(-1) / chosen.sum(-1)

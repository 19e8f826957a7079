"""What is measured of predictions of classes.

L lanes, N examples, C classes, z logits (L, N, C), y labels (L, N).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from trainers.classes.losses import cross_entropy, softmax

BINS = 15  # of the calibration error: Guo et al. 2017, arXiv 1706.04599
TOP = 5


def guesses(z: Tensor) -> Tensor:
    """The class of the largest logit, the first of equals: ``(L, N, C) -> (L, N)``.

    What argmax gives, in a tenth of its time where classes are not last in memory.
    """
    return z.max(-1).indices


def accuracy(z: Tensor, y: Tensor) -> Tensor:
    """Share of right guesses, percent: ``(L,)``."""
    return 100.0 * (guesses(z) == y).to(z.dtype).mean(1)


def balanced_accuracy(z: Tensor, y: Tensor) -> Tensor:
    """Mean over the classes that have examples of the share of them guessed right, percent."""
    counts = _confusion(z, y)
    of_class = counts.sum(2)
    recall = counts.diagonal(dim1=1, dim2=2) / of_class.clamp(min=1)
    return 100.0 * recall.sum(1) / (of_class > 0).sum(1)


def macro_f1(z: Tensor, y: Tensor) -> Tensor:
    """Mean over classes of F1, percent; classes neither there nor guessed do not count."""
    counts = _confusion(z, y)
    right, both = counts.diagonal(dim1=1, dim2=2), counts.sum(1) + counts.sum(2)
    return 100.0 * (2 * right / both.clamp(min=1)).sum(1) / (both > 0).sum(1)


def calibration_error(z: Tensor, y: Tensor) -> Tensor:
    """Expected calibration error over `BINS` bins of equal mass, percent: ``(L,)``.

    Examples by rising confidence, cut into bins whose sizes differ by one at most; the mean over
    examples of the distance between their bin's accuracy and its mean confidence.
    """
    confidence, guess = softmax(z).max(-1)
    confidence, order = confidence.sort(dim=1)
    right = (guess == y).to(z.dtype).gather(1, order)
    gaps = [
        (c.sum(1) - r.sum(1)).abs()
        for c, r in zip(
            confidence.tensor_split(BINS, dim=1), right.tensor_split(BINS, dim=1), strict=True
        )
    ]
    return 100.0 * torch.stack(gaps, dim=1).sum(1) / y.shape[1]


def brier_score(z: Tensor, y: Tensor) -> Tensor:
    """Mean squared distance of probabilities to the labels, over all classes, in [0, 2]."""
    p, y = softmax(z), y.unsqueeze(-1)
    return p.scatter(-1, y, p.gather(-1, y) - 1).square().sum(-1).mean(1)


def top_5_accuracy(z: Tensor, y: Tensor) -> Tensor:
    """Share of examples whose class is among the five largest logits, percent: ``(L,)``."""
    return 100.0 * (z.topk(TOP, dim=-1).indices == y.unsqueeze(-1)).any(-1).to(z.dtype).mean(1)


MEASURES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "loss": lambda z, y: cross_entropy(z, y).mean(1),
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "calibration_error": calibration_error,
    "brier_score": brier_score,
    "top_5_accuracy": top_5_accuracy,
}


def is_defined(metric: str, classes: int) -> bool:
    """Whether a metric says something of so many classes."""
    return metric != "top_5_accuracy" or classes > 2 * TOP


def _confusion(z: Tensor, y: Tensor) -> Tensor:
    """Counts (L, C, C): true classes in rows, guesses in columns."""
    lanes, _, classes = z.shape
    counts = z.new_zeros(lanes, classes * classes)
    place = y * classes + guesses(z)
    return counts.scatter_add_(1, place, torch.ones_like(place, dtype=z.dtype)).view(
        lanes, classes, classes
    )

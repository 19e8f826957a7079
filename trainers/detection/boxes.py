"""Boxes: how much they overlap, and which of several of one thing are left.

A box is (left, top, right, bottom), its last dimension; its area is that between these numbers,
without the pixel that older code adds to each side.
"""

import torch
from torch import Tensor

# Two areas are divided by this at least, so that nothing is divided by nothing.
LEAST_AREA = 1e-9


def area(boxes: Tensor) -> Tensor:
    """``(..., 4) -> (...)``; of a box whose sides are the wrong way round 0."""
    left, top, right, bottom = boxes.unbind(-1)
    return (right - left).clamp(min=0) * (bottom - top).clamp(min=0)


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of boxes, one by one: ``(..., 4), (..., 4) -> (...)``."""
    corner = torch.maximum(one[..., :2], other[..., :2])
    end = torch.minimum(one[..., 2:], other[..., 2:])
    shared = (end - corner).clamp(min=0).prod(-1)
    return shared / (area(one) + area(other) - shared).clamp(min=LEAST_AREA)


def iou_of_all(one: Tensor, other: Tensor) -> Tensor:
    """Of each with each: ``(..., n, 4), (..., m, 4) -> (..., n, m)``."""
    return iou(one.unsqueeze(-2), other.unsqueeze(-3))


def suppressed(boxes: Tensor, classes: Tensor, most: float) -> Tensor:
    """Which of boxes (..., n, 4) overlap an earlier one that is left, of the same of the classes
    (..., n), by more than ``most``: (..., n) bool.

    Boxes have to come in the order of their scores, the best first: greedy non-maximum suppression.
    """
    same = classes.unsqueeze(-1) == classes.unsqueeze(-2)
    beats = (iou_of_all(boxes, boxes) > most) & same
    gone = torch.zeros_like(classes, dtype=torch.bool)
    for place in range(boxes.shape[-2]):
        later = beats[..., place, :].clone()
        later[..., : place + 1] = False
        gone |= later & ~gone[..., place : place + 1]
    return gone

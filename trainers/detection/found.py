"""From outputs to boxes that are found.

B pictures, T places, C classes, D boxes of a picture at most.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from trainers.detection.boxes import suppressed
from trainers.detection.places import Grid
from trainers.detection.terms import predicted_boxes

# Of a picture: pairs of a place and a class that are looked at, the boxes that are left of them,
# and the overlap above which one of a class stands for another.
CANDIDATES, MOST, OVERLAP = 200, 100, 0.5


class Found(NamedTuple):
    """The best boxes of every picture, by score: ``boxes`` (B, D, 4), clipped to the picture,
    ``scores`` (B, D) in (0, 1), ``classes`` (B, D); a score of 0 where there are fewer."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor


def found(z: Tensor, classes: int, grid: Grid, size: Tensor) -> Found:
    """Those of outputs (B, T, C + 4 + A); ``size``: as `best_of` has it."""
    scores = torch.sigmoid(z[..., :classes])
    return best_of(predicted_boxes(z, classes, grid), scores, size)


def best_of(boxes: Tensor, scores: Tensor, size: Tensor) -> Found:
    """Of a box (B, T, 4) and the scores (B, T, C) at every place; ``size`` (B, 2): height and width
    of each picture.

    No score is too low to count, as that would cost recall: only how many there are is bounded.
    """
    classes, flat = scores.shape[2], scores.flatten(1)
    best, at = flat.topk(min(CANDIDATES, flat.shape[1]), dim=1)
    place, of_class = at // classes, at % classes
    edge = size.flip(1).repeat(1, 2).unsqueeze(1).to(boxes)
    own = boxes.clamp(min=0).gather(1, place.unsqueeze(2).expand(-1, -1, 4))
    own = torch.minimum(own, edge)
    best = best.masked_fill(suppressed(own, of_class, OVERLAP), 0.0)
    left, order = best.sort(dim=1, descending=True, stable=True)
    order, left = order[:, :MOST], left[:, :MOST]
    chosen = own.gather(1, order.unsqueeze(2).expand(-1, -1, 4))
    return Found(chosen, left, of_class.gather(1, order))

"""The places of a picture, at each of which a detector says whether something is there; and which
of them should say so.

T places: the squares of a grid for every stride, level by level, row by row. L lanes, B pictures, U
boxes of a picture.
"""

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.detection.boxes import area
from trainers.detection.data.dataset import BOX, CLASS, CROWD, strides

# How far from the middle of a box a place that should tell of it may be, in strides. The code of
# FCOS (arXiv 1904.01355) has 1.5; small networks learn faster what few places tell.
RADIUS = 0.8
# Of several levels, the farthest side of a box that one tells of, in strides; the last of all.
REACH = 8.0
NOTHING, IGNORED = -1, -2


class Grid(NamedTuple):
    """The middles of places (T, 2), x and y in pixels; the ``stride`` (T,) of each; from and to
    which farthest side, in pixels, they tell of boxes, (T,) each."""

    middle: Tensor
    stride: Tensor
    nearest: Tensor
    farthest: Tensor


@cache
def grid(height: int, width: int, device: torch.device, dtype: torch.dtype) -> Grid:
    """That of pictures of a size."""
    levels = strides(height, width)
    middles, of_place, nearest, farthest = [], [], [], []
    for level, stride in enumerate(levels):
        rows, columns = -(-height // stride), -(-width // stride)
        y = (torch.arange(rows, device=device, dtype=dtype) + 0.5) * stride
        x = (torch.arange(columns, device=device, dtype=dtype) + 0.5) * stride
        middles.append(torch.cartesian_prod(y, x).flip(1))
        of_place.append(torch.full((rows * columns,), stride, device=device, dtype=dtype))
        low = REACH * levels[level - 1] if level else 0.0
        high = REACH * stride if level + 1 < len(levels) else float("inf")
        nearest.append(torch.full_like(of_place[-1], low))
        farthest.append(torch.full_like(of_place[-1], high))
    return Grid(torch.cat(middles), torch.cat(of_place), torch.cat(nearest), torch.cat(farthest))


def assigned(boxes: Tensor, of: Grid) -> Tensor:
    """Of each place the box (its number in the picture) that it should tell of, of boxes (L, B, U,
    6): (L, B, T); `NOTHING` where there is none, `IGNORED` in a crowd of which nobody knows.

    A place tells of a box that its middle is in, within `RADIUS` of the middle of the box, and
    whose farthest side its level reaches; the nearest place of that level always does, as a box may
    be smaller than a square. Of several boxes the one of the smallest area.
    """
    x0, y0, x1, y1 = boxes[..., BOX].unsqueeze(2).unbind(-1)
    px, py = (at.unsqueeze(1) for at in of.middle.unbind(-1))
    sides = torch.stack([px - x0, py - y0, x1 - px, y1 - py])
    inside = sides.amin(0) > 0
    stride = of.stride.unsqueeze(1)
    off = torch.maximum((px - (x0 + x1) / 2).abs(), (py - (y0 + y1) / 2).abs())
    # By the box alone, so that all places of a level take it, or none.
    reach = torch.maximum(x1 - x0, y1 - y0)
    level = (reach > of.nearest.unsqueeze(1)) & (reach <= of.farthest.unsqueeze(1))
    distance = torch.where(level, off, torch.inf)
    nearest = distance == distance.amin(2, keepdim=True)
    is_thing = (boxes[..., CLASS] != PADDING).unsqueeze(2)
    single = is_thing & (boxes[..., CROWD] == 0).unsqueeze(2)
    tells = single & level & ((inside & (off <= RADIUS * stride)) | nearest)
    size = torch.where(tells, area(boxes[..., BOX]).unsqueeze(2), torch.inf)
    smallest, which = size.min(3)
    found = torch.where(smallest.isfinite(), which, NOTHING)
    crowded = (is_thing & ~single & inside).any(3)
    return torch.where(crowded & (found == NOTHING), IGNORED, found)


def boxes_at(distances: Tensor, of: Grid) -> Tensor:
    """The boxes that are so far from places to the left, top, right and bottom, in pixels: ``(...,
    T, 4) -> (..., T, 4)``."""
    return torch.cat([of.middle - distances[..., :2], of.middle + distances[..., 2:]], dim=-1)

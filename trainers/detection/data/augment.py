"""Pictures changed on their way to a student, with their boxes.

L lanes, B pictures of a batch, K channels, H x W pixels, U boxes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.detection.data.dataset import BOX, CLASS

# A box of which less is left in a crop, in pixels of either side, is gone.
LEAST_SIDE = 1.0


class Window(NamedTuple):
    """What of each picture is kept: left upper corners (L, B, 2), x and y, and sides (L, B, 2),
    width and height, in whole pixels."""

    begin: Tensor
    sides: Tensor


def mirrored(images: Tensor, boxes: Tensor, which: Tensor, width: Tensor) -> tuple[Tensor, Tensor]:
    """Images (L, B, K, H, W) and boxes (L, B, U, 6), those of ``which`` (L, B) with left and right
    exchanged; ``width`` (L, B): how much of each is picture, which stays at the left."""
    columns = torch.arange(images.shape[4], device=images.device)
    other = torch.where(columns < width.unsqueeze(2), width.unsqueeze(2) - 1 - columns, columns)
    at = torch.where(which.unsqueeze(2), other, columns)
    turned = images.gather(4, at[:, :, None, None, :].expand_as(images))
    left, right = boxes[..., 1], boxes[..., 3]
    edge = width.unsqueeze(2).to(boxes)
    there = which.unsqueeze(2) & (boxes[..., CLASS] != PADDING)
    changed = boxes.clone()
    changed[..., 1] = torch.where(there, edge - right, left)
    changed[..., 3] = torch.where(there, edge - left, right)
    return turned, changed


def drawn_window(size: Tensor, least: Tensor | float, generators: list[torch.Generator]) -> Window:
    """Of pictures of a size (L, B, 2), height and width: each side a share of it, from ``least`` to
    1, at a place that is as likely as any other."""
    draws = torch.stack([torch.rand(size.shape[1], 4, generator=g) for g in generators])
    draws = draws.to(size.device)
    whole = size.flip(2).to(draws)
    sides = (whole * (least + (1 - least) * draws[..., :2])).round().clamp(min=1)
    begin = ((whole - sides + 1) * draws[..., 2:]).floor().clamp(min=0)
    return Window(begin, torch.minimum(sides, whole))


def cropped(images: Tensor, boxes: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """What is in the windows, moved to the left upper corner, with the boxes as they are there; a
    box of which too little is left is gone. Behind it are zeros, the mean of standardised images.
    """
    channels, height, width = images.shape[2:]
    at, inside = [], []
    for axis, length in ((0, width), (1, height)):
        place = torch.arange(length, device=images.device)
        begin = window.begin[..., axis].unsqueeze(2).long()
        at.append((begin + place).clamp(max=length - 1))
        inside.append(place < window.sides[..., axis].unsqueeze(2))
    (x, y), (across, down) = at, inside
    rows = images.gather(3, y[:, :, None, :, None].expand(-1, -1, channels, -1, width))
    shown = rows.gather(4, x[:, :, None, None, :].expand(-1, -1, channels, height, -1))
    shown = shown * (down.unsqueeze(3) & across.unsqueeze(2)).unsqueeze(2)
    begin = window.begin.repeat(1, 1, 2).unsqueeze(2).to(boxes)
    edge = window.sides.repeat(1, 1, 2).unsqueeze(2).to(boxes)
    left = torch.minimum((boxes[..., BOX] - begin).clamp(min=0), edge)
    sides = left[..., 2:] - left[..., :2]
    gone = (sides < LEAST_SIDE).any(3) | (boxes[..., CLASS] == PADDING)
    changed = boxes.masked_fill(gone.unsqueeze(3), 0.0)
    changed[..., BOX] = left.masked_fill(gone.unsqueeze(3), 0.0)
    changed[..., CLASS] = boxes[..., CLASS].masked_fill(gone, PADDING)
    return shown, changed

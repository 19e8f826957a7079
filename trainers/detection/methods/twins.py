"""Adversarial twins of pictures: made once from a teacher, whose classes they raise the loss of.

L lanes, B pictures of K channels, H x W pixels.

x' starts at the picture x. Each step: g = d loss / d x', the part of the label's loss that is of
classes; m <- momentum m + g / |g|_1; x' <- x' + step sign(m), clipped to within ``size`` of x and
to the smallest and the largest value of each of its channels. Sizes are shares of the largest range
that a channel of x has.

Source: DI-FGSM (Xie et al. 2019, arXiv 1803.06978) as in the authors' code of arXiv 2209.05841.
Departures: without the random resizing, which there moves pictures away from their boxes; twins
stay numbers, where the code writes them as compressed images; a gradient of nothing but zeros moves
nothing.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from trainers.detection.terms import BoxTargets, classes_lost
from trainers.evaluation import evaluation_mode
from trainers.lanes.network import LaneNetwork


class Attack(NamedTuple):
    """How twins are made, in each lane (L,): ``size`` and ``step``, shares of a range; ``steps``;
    ``momentum``."""

    size: Tensor
    step: Tensor
    steps: Tensor
    momentum: Tensor


def twins(teacher: LaneNetwork, images: Tensor, targets: BoxTargets, attack: Attack) -> Tensor:
    """Of pictures (L, B, K, H, W) with these boxes, as many."""
    low, high = images.amin((3, 4), keepdim=True), images.amax((3, 4), keepdim=True)
    span = (high - low).amax(2, keepdim=True)
    size, step, steps, share = (of.to(images.device).view(-1, 1, 1, 1, 1) for of in attack)
    twin, momentum = images.clone(), torch.zeros_like(images)
    with evaluation_mode(teacher), torch.enable_grad():
        for place in range(int(attack.steps.max())):
            leaf = twin.detach().requires_grad_()
            lost = classes_lost(targets, teacher(leaf).logits).sum()
            (gradient,) = torch.autograd.grad(lost, leaf)
            length = gradient.abs().sum((2, 3, 4), keepdim=True)
            gradient = gradient / torch.where(length > 0, length, torch.ones_like(length))
            momentum = share * momentum + gradient
            moved = twin + step * span * momentum.sign() * (place < steps)
            near = torch.maximum(torch.minimum(moved, images + size * span), images - size * span)
            twin = torch.maximum(torch.minimum(near, high), low)
    return twin.detach()

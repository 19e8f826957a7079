"""Adam over lanes against torch's."""

import pytest
import torch
from torch import nn

from trainers.lanes.adam import LaneAdam


@pytest.mark.usefixtures("double_precision")
def test_each_lane_is_torchs_whenever_it_steps() -> None:
    """The second lane misses steps; both step sizes are changed on the way."""
    g = torch.Generator().manual_seed(1)
    start = torch.randn(2, 3, 4, generator=g)
    ours = nn.Parameter(start.clone())
    adam = LaneAdam([ours], torch.tensor([0.1, 0.01]), decay=0.2)
    theirs = [nn.Parameter(start[i].clone()) for i in range(2)]
    each = [
        torch.optim.Adam([p], lr, weight_decay=0.2)
        for p, lr in zip(theirs, (0.1, 0.01), strict=True)
    ]
    for lanes in ([0, 1], [0], [1, 0], [0], [0, 1]):
        gradient = torch.randn(len(lanes), 3, 4, generator=g)
        adam.step([gradient], torch.tensor(lanes))
        for own, i in zip(gradient, lanes, strict=True):
            theirs[i].grad = own
            each[i].step()
        torch.testing.assert_close(ours.data, torch.stack([p.data for p in theirs]))
        adam.multiply_lr(torch.tensor([0.5, 0.9]))
        for optimizer, factor in zip(each, (0.5, 0.9), strict=True):
            optimizer.param_groups[0]["lr"] *= factor

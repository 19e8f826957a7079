"""AdamW in lanes, and clipping, against torch's own, lane by lane."""

import pytest
import torch
from torch import Tensor, nn

from trainers.lanes.optim import LaneAdamW, LaneSGD, lane_optimizer
from trainers.settings import Training

LR = torch.tensor([0.1, 0.003, 0.02])
DECAY = torch.tensor([0.0, 0.1, 0.5])
BETAS, EPSILON = (0.8, 0.95), 1e-6


class _Two(nn.Module):
    """A matrix and a vector, of three lanes."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.matrix = nn.Parameter(torch.randn(3, 4, 5, generator=generator))
        self.vector = nn.Parameter(torch.randn(3, 5, generator=generator))


def _losses(matrix: Tensor, vector: Tensor, step: int) -> Tensor:
    """Two losses of every lane, steep enough to be clipped now and then."""
    product = (matrix * vector.unsqueeze(-2)).sum(-1)
    return torch.stack([product.square().sum(-1), (product - step).cos().sum(-1)], dim=-1)


@pytest.mark.usefixtures("double_precision")
@pytest.mark.parametrize("clip_norm", [None, 2.0])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_a_lane_steps_as_torch_has_it(optimizer: str, clip_norm: float | None) -> None:
    model, lr, decay = _Two(), LR.double(), DECAY.double()
    lanes: LaneAdamW | LaneSGD
    if optimizer == "adamw":
        lanes = LaneAdamW(model, decay, BETAS, EPSILON, clip_norm)
    else:
        lanes = LaneSGD(model, decay, 0.9, True, clip_norm)
    alone = [_Two() for _ in range(3)]
    for lane, own in enumerate(alone):
        own.matrix.data, own.vector.data = own.matrix.data[lane], own.vector.data[lane]
    theirs = [
        torch.optim.AdamW(own.parameters(), float(lr[i]), BETAS, EPSILON, float(decay[i]))
        if optimizer == "adamw"
        else torch.optim.SGD(
            own.parameters(), float(lr[i]), 0.9, weight_decay=float(decay[i]), nesterov=True
        )
        for i, own in enumerate(alone)
    ]
    clipped = 0
    for step in range(12):
        lanes.step(_losses(model.matrix, model.vector, step), lr)
        for own, its in zip(alone, theirs, strict=True):
            its.zero_grad()
            _losses(own.matrix, own.vector, step).mean().backward()
            if clip_norm is not None:
                length = nn.utils.clip_grad_norm_(own.parameters(), clip_norm)
                clipped += int(length > clip_norm)
            its.step()
    assert clip_norm is None or 0 < clipped < 36
    for lane, own in enumerate(alone):
        torch.testing.assert_close(model.matrix[lane], own.matrix)
        torch.testing.assert_close(model.vector[lane], own.vector)


@pytest.mark.usefixtures("double_precision")
def test_it_goes_on_from_its_memory_and_with_fewer_lanes() -> None:
    training = Training(epochs=1, batch_size=1, optimizer="adamw", clip_norm=1.0)
    whole, broken = _Two(), _Two()
    lr, decay = LR.double(), DECAY.double()
    first, second = (lane_optimizer(model, decay, training) for model in (whole, broken))
    for step in range(4):
        first.step(_losses(whole.matrix, whole.vector, step), lr)
    second.go_on(first.state(), first.memory)
    kept = torch.tensor([2, 0])
    for optimizer in (first, second):
        optimizer.keep(kept)
    for step in range(4, 8):
        for model, optimizer in ((whole, first), (broken, second)):
            optimizer.step(_losses(model.matrix, model.vector, step), lr[kept])
    assert torch.equal(whole.matrix, broken.matrix)
    assert torch.equal(whole.vector, broken.vector)

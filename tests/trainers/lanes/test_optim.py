import pytest
import torch
from torch import Tensor, nn

from trainers.lanes.layers import BatchNorm2d, Linear
from trainers.lanes.optim import LaneSGD

D, C, BATCH = 5, 3, 7
LR = (0.1, 0.02, 0.5)
WEIGHT_DECAY = (0.0, 5e-4, 0.1)

pytestmark = pytest.mark.usefixtures("double_precision")


def _target(step: int, lane: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(100 * step + lane)
    return torch.randn(BATCH, D, generator=g), torch.randn(BATCH, C, generator=g)


class _Lanes:
    """Linear regression over lanes by LaneSGD, and each lane by torch.optim.SGD."""

    def __init__(self, nesterov: bool) -> None:
        self.model = Linear(D, C, [torch.Generator().manual_seed(i) for i in range(len(LR))])
        self.optimizer = LaneSGD(self.model, torch.tensor(WEIGHT_DECAY), 0.9, nesterov)
        self.lanes = list(range(len(LR)))
        self.twins = [nn.Linear(D, C) for _ in LR]
        for lane, twin in enumerate(self.twins):
            twin.weight.data.copy_(self.model.weight[lane])
            twin.bias.data.copy_(self.model.bias[lane])
        self._sgds = [
            torch.optim.SGD(twin.parameters(), lr, 0.9, weight_decay=decay, nesterov=nesterov)
            for twin, lr, decay in zip(self.twins, LR, WEIGHT_DECAY, strict=True)
        ]

    def step(self, number: int, factor: float) -> None:
        x, y = (torch.stack(t) for t in zip(*(_target(number, i) for i in self.lanes), strict=True))
        losses = (self.model(x.mT).mT - y).square().mean(2)
        self.optimizer.step(losses, factor * torch.tensor([LR[i] for i in self.lanes]))
        for lane in self.lanes:
            x, y = _target(number, lane)
            sgd = self._sgds[lane]
            sgd.param_groups[0]["lr"] = factor * LR[lane]
            sgd.zero_grad()
            (self.twins[lane](x) - y).square().mean().backward()
            sgd.step()

    def keep(self, at: list[int]) -> None:
        self.lanes = [self.lanes[i] for i in at]
        self.optimizer.keep(torch.tensor(at))

    def assert_same(self) -> None:
        for at, lane in enumerate(self.lanes):
            torch.testing.assert_close(self.model.weight[at], self.twins[lane].weight)
            torch.testing.assert_close(self.model.bias[at], self.twins[lane].bias)


@pytest.mark.parametrize("nesterov", [True, False])
def test_each_lane_steps_as_torchs_sgd(nesterov: bool) -> None:
    lanes = _Lanes(nesterov)
    for number in range(5):
        lanes.step(number, factor=1 - 0.1 * number)
    lanes.assert_same()


@pytest.mark.parametrize("kept", [[0, 2], [1], [2, 0]])
def test_lanes_that_are_kept_go_on_as_if_nothing_had_happened(kept: list[int]) -> None:
    lanes = _Lanes(nesterov=True)
    for number in range(3):
        lanes.step(number, factor=1.0)
    lanes.keep(kept)
    for number in range(3, 6):
        lanes.step(number, factor=1.0)
    lanes.assert_same()


def test_state_is_a_copy_that_load_puts_back() -> None:
    lanes = _Lanes(nesterov=True)
    weight, state = lanes.model.weight.detach().clone(), lanes.optimizer.state()
    lanes.step(0, factor=1.0)
    assert not torch.equal(lanes.model.weight, weight)
    lanes.optimizer.load(state)
    assert torch.equal(lanes.model.weight, weight)


def test_buffers_are_cut_with_their_lanes_and_are_part_of_the_state() -> None:
    layer = BatchNorm2d(2, lanes=3)
    optimizer = LaneSGD(layer, torch.zeros(3), 0.9, nesterov=True)
    layer(torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(1)))
    mean, var = layer.running_mean.clone(), layer.running_var.clone()
    optimizer.keep(torch.tensor([2, 0]))
    assert torch.equal(layer.running_mean, mean[[2, 0]])
    assert torch.equal(layer.running_var, var[[2, 0]])
    state = optimizer.state()
    layer(torch.randn(4, 4, 5, 5, generator=torch.Generator().manual_seed(2)))
    assert not torch.equal(layer.running_mean, mean[[2, 0]])
    optimizer.load(state)
    assert torch.equal(layer.running_mean, mean[[2, 0]])
    assert torch.equal(layer.running_var, var[[2, 0]])


def test_a_state_takes_over_some_lanes_of_another() -> None:
    layer = BatchNorm2d(2, lanes=3)
    optimizer = LaneSGD(layer, torch.zeros(3), 0.9, nesterov=True)
    best, first = optimizer.state(), layer.running_mean.clone()
    layer(torch.randn(4, 6, 5, 5, generator=torch.Generator().manual_seed(1)))
    with torch.no_grad():
        layer.weight.add_(1)
    last = layer.running_mean.clone()
    best.replace(torch.tensor([1]), optimizer.state())
    kept = best.keep(torch.tensor([1, 2]))
    optimizer.load(best)
    assert torch.equal(layer.running_mean, torch.stack([first[0], last[1], first[2]]))
    assert layer.weight[:, 0].tolist() == [1, 2, 1]
    assert torch.equal(kept.buffers[0], torch.stack([last[1], first[2]]))


def test_parameters_that_do_not_learn_stay_and_are_cut() -> None:
    model = Linear(D, C, [torch.Generator().manual_seed(i) for i in range(3)])
    model.bias.requires_grad_(False)
    bias, weight = model.bias.clone(), model.weight.clone()
    optimizer = LaneSGD(model, torch.full((3,), 0.1), 0.9, nesterov=True)
    optimizer.step(model(torch.ones(3, D, 1)).sum(1), torch.full((3,), 0.1))
    optimizer.keep(torch.tensor([2]))
    assert torch.equal(model.bias, bias[[2]])
    assert not torch.equal(model.weight, weight[[2]])

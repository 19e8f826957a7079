"""Weighting nets: what they give, and when and how far they step."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.cases import Shape, Trial, make_cohort, only
from trainers.lanes.state import pick
from trainers.lanes.values import LaneValues
from trainers.mixing.bikd import Bikd
from trainers.mixing.weighting_net import NET_DECAY, NetSteps, WeightingNet

pytestmark = pytest.mark.usefixtures("double_precision")

SEEDS = (0, 1)


def _net() -> WeightingNet:
    return WeightingNet((2, 3, 2), torch.tanh, SEEDS, "test")


def _steps(net: WeightingNet, **numbers: tuple[float, float]) -> NetSteps:
    values = {"net_lr": (0.1, 0.01), **numbers}
    return NetSteps(net, LaneValues({k: torch.tensor(v) for k, v in values.items()}, {}))


def _gradients(net: WeightingNet, seed: int) -> list[Tensor]:
    g = torch.Generator().manual_seed(seed)
    return [torch.randn(p.shape, generator=g) for p in net.parameters()]


def test_bikd_weighs_by_a_net_of_its_authors_shape() -> None:
    """Before it has learned anything, weights in (0, 1) near a half, however large the losses."""
    trials = [Trial(f"{seed}", seed=seed) for seed in range(8)]
    method = only(make_cohort("bikd", trials)).method
    assert isinstance(method, Bikd)
    shapes = [tuple(layer.weight.shape[1:]) for layer in method.net.layers]
    assert shapes == [(64, 2), (64, 64), (2, 64)]
    w = method.net(torch.full((8, 2, 1), 30.0)).squeeze(-1)
    assert ((w > 0.2) & (w < 0.8)).all()
    w = method.net(torch.tensor([1e-6, 2.0]).view(1, 2, 1).expand(8, 2, 1))
    assert ((w > 0.2) & (w < 0.8)).all()


def test_a_net_is_its_layers_written_out() -> None:
    method = only(make_cohort("bikd", [Trial("a"), Trial("b", seed=5)])).method
    assert isinstance(method, Bikd)
    u = 3 * torch.rand(2, 2, 11, generator=torch.Generator().manual_seed(1))
    for lane in range(2):
        (W1, b1), (W2, b2), (W3, b3) = (
            (layer.weight[lane], layer.bias[lane]) for layer in method.net.layers
        )
        x = u[lane].T
        h = torch.tanh(F.linear(torch.tanh(F.linear(x, W1, b1)), W2, b2))
        expected = torch.sigmoid(F.linear(h, W3, b3)).T
        torch.testing.assert_close(method.net(u)[lane], expected)


def test_a_net_steps_once_it_has_as_many_gradients_as_it_wants() -> None:
    """Against torch's Adam on their mean; one lane wants two of them, the other three."""
    net, reference = _net(), _net()
    steps = _steps(net, held_out_batches=(2.0, 3.0))
    theirs = [[p.data[lane].clone() for p in reference.parameters()] for lane in range(2)]
    adams = [
        torch.optim.Adam(theirs[lane], (0.1, 0.01)[lane], weight_decay=NET_DECAY)
        for lane in range(2)
    ]
    given = [_gradients(net, seed) for seed in range(7)]
    for count, gradients in enumerate(given, start=1):
        steps.add(gradients)
        for lane, wanted in enumerate((2, 3)):
            if count % wanted == 0:
                newest = given[count - wanted : count]
                for i, p in enumerate(theirs[lane]):
                    p.grad = torch.stack([g[i][lane] for g in newest]).mean(0)
                adams[lane].step()
            for ours, own in zip(net.parameters(), theirs[lane], strict=True):
                torch.testing.assert_close(ours.data[lane], own)


def test_the_step_of_a_net_shrinks_whenever_the_students_has_fallen() -> None:
    """By 0.8 after epochs 2 and 4 in the first lane, by 0.5 after epoch 3 in the second.

    Gradients that stay the same make steps of Adam as long as its step size.
    """
    net = _net()
    steps = _steps(net, net_lr_decay=(0.8, 0.5))
    of_student = [(0.2, 0.1), (0.2, 0.3), (0.1, 0.3), (0.4, 0.2), (0.04, 0.2)]
    sizes = [(0.1, 0.01), (0.1, 0.01), (0.08, 0.01), (0.08, 0.005), (0.064, 0.005)]
    for p in net.parameters():
        p.data.zero_()
    for lr, size in zip(of_student, sizes, strict=True):
        steps.begin_epoch(torch.tensor(lr))
        before = [p.data.clone() for p in net.parameters()]
        steps.add([torch.full_like(p, 1e3) for p in net.parameters()])
        for p, b in zip(net.parameters(), before, strict=True):
            for lane in range(2):
                moved = (b - p.data)[lane]
                torch.testing.assert_close(moved, torch.full_like(moved, size[lane]), rtol=1e-6,
                                           atol=0.0)  # fmt: skip


def test_with_a_cosine_the_step_of_the_net_shrinks_after_every_epoch() -> None:
    cohort = make_cohort("bikd", [Trial("a", values={"net_lr": 0.01})], Shape(epochs=4))
    method = only(cohort).method
    assert isinstance(method, Bikd)
    seen = []

    def watch(*_: object) -> list[bool]:
        seen.append(float(method._steps.state()["adam"]["lr"][0]))
        return [True]

    cohort.train(watch)
    assert seen[0] == 0.01
    assert [b / a for a, b in pairwise(seen)] == pytest.approx([0.8] * 3)


def test_steps_that_are_taken_up_again_are_those_that_would_have_been() -> None:
    """Of one lane alone, in the middle of gathering gradients, after the student's step fell."""
    nets = [_net(), _net()]
    straight, resumed = (
        _steps(net, held_out_batches=(3.0, 2.0), net_lr_decay=(0.5, 0.8)) for net in nets
    )
    for steps in (straight, resumed):
        for lr in (0.2, 0.1):
            steps.begin_epoch(torch.tensor([lr, lr]))
    for seed in range(4):
        straight.add(_gradients(nets[0], seed))
    lane = torch.tensor([0])
    resumed.keep(lane)
    resumed.load_state(pick(straight.state(), lane, torch.device("cpu")))
    for ours, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        ours.data.copy_(theirs.data[lane])
    for seed in range(4, 9):
        gradients = _gradients(nets[0], seed)
        if seed == 6:
            straight.begin_epoch(torch.tensor([0.05, 0.05]))
            resumed.begin_epoch(torch.tensor([0.05]))
        straight.add(gradients)
        resumed.add([g[lane] for g in gradients])
    for ours, theirs in zip(nets[1].parameters(), nets[0].parameters(), strict=True):
        assert torch.equal(ours[0], theirs[0])

"""Weighting nets: a step of the net and of the student, written out for one lane with torch."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.trainers.cases import (
    Diary,
    Shape,
    Trial,
    history,
    make_cohort,
    only,
    step,
    with_values,
)
from trainers.fields import Value
from trainers.loop.cohort import Cohort
from trainers.mixing.learned_weights import LearnedWeights
from trainers.mixing.weighting_net import NET_DECAY, WeightingNet
from trainers.task import Batch

TAU, NET_LR, LR = 3.0, 0.02, 0.3

pytestmark = pytest.mark.usefixtures("double_precision")


def _copy(layer: nn.Module, lane: int) -> nn.Linear:
    """A lane of a layer as torch's own."""
    weight, bias = layer.weight[lane].detach(), layer.bias[lane].detach()
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.data, linear.bias.data = weight.clone(), bias.clone()
    return linear


def _net(name: str, net: WeightingNet, lane: int) -> nn.Sequential:
    """A lane of the net as its authors have it."""
    layers = [_copy(layer, lane) for layer in net.layers]
    if name == "meta_weight_net":
        return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.Sigmoid())
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2], nn.Sigmoid())


class _LongWay:
    """One step of the net of one lane, with a backward pass through the look-aheads."""

    def __init__(self, name: str, cohort: Cohort, lane: int) -> None:
        assert isinstance(only(cohort).method, LearnedWeights)
        self._name = name
        self.net = _net(name, only(cohort).method.net, lane)
        self._student = [
            _copy(layer, lane) for layer in (*only(cohort).model.body, only(cohort).model.head)
        ]

    def weights(self, z: Tensor, y: Tensor, t: Tensor) -> Tensor:
        """(K, B)."""
        seen = [F.cross_entropy(z.detach(), y, reduction="none")]
        if self._name == "bikd":
            seen.append(F.cross_entropy(t, y, reduction="none"))
        w: Tensor = self.net(torch.stack(seen, dim=1)).T
        return w

    def loss(self, z: Tensor, y: Tensor, t: Tensor, w: Tensor) -> Tensor:
        losses = [F.cross_entropy(z, y, reduction="none")]
        if self._name == "bikd":
            p = F.log_softmax(t / TAU, -1)
            kd = F.kl_div(F.log_softmax(z / TAU, -1), p, reduction="none", log_target=True)
            losses.append(TAU**2 * kd.sum(-1))
        return (w * torch.stack(losses)).sum(0).mean()

    def step(self, shown: list[tuple[Tensor, ...]]) -> None:
        """From x, y, t of each training batch, and inputs and labels of its held-out batch."""
        theta = [p for layer in self._student for p in layer.parameters()]
        after = []
        for x, y, t, held_out_x, held_out_y in shown:
            z = self._forward(theta, x)
            loss = self.loss(z, y, t, self.weights(z, y, t))
            gradients = torch.autograd.grad(loss, theta, create_graph=True)
            moved = [p - LR * g for p, g in zip(theta, gradients, strict=True)]
            after.append(F.cross_entropy(self._forward(moved, held_out_x), held_out_y))
        adam = torch.optim.Adam(self.net.parameters(), NET_LR, weight_decay=NET_DECAY)
        adam.zero_grad()
        torch.stack(after).mean().backward()
        adam.step()

    def _forward(self, theta: list[Tensor], x: Tensor) -> Tensor:
        W1, b1, W2, b2 = theta
        return F.linear(torch.relu(F.linear(x, W1, b1)), W2, b2)


def _watch_draws(method: LearnedWeights) -> list[list[tuple[Tensor, Batch]]]:
    """What it will have drawn of the held-out examples."""
    drawn, draw = [], method._held_out.draw

    def watch() -> list[tuple[Tensor, Batch]]:
        drawn.append(draw())
        return drawn[-1]

    method._held_out.draw = watch  # type: ignore[method-assign]
    return drawn


def _own(drawn: list[tuple[Tensor, Batch]], lane: int) -> tuple[Tensor, Tensor]:
    """Inputs and labels of what a lane drew."""
    for lanes, batch in drawn:
        if lane in lanes.tolist():
            at = lanes.tolist().index(lane)
            return batch.inputs[at], batch.targets.labels[at]
    raise LookupError(lane)


@pytest.mark.parametrize(
    ("name", "each"), [("meta_weight_net", 1), ("bikd", 1), ("bikd", 3)], ids=str
)
def test_step_of_the_net_is_the_long_way(name: str, each: int) -> None:
    """Batches of training of 13, 7 and 19; held-out batches of 19 and, in the second lane, of 6."""
    values: dict[str, Value] = {"net_lr": NET_LR, "temperature": TAU}
    if name == "bikd":
        values["held_out_batches"] = each
    trials = [
        Trial("a", seed=0, values=values, teachers=("weak",)),
        Trial("b", seed=1, values={**values, "held_out_batch": 6}, teachers=("weak",)),
    ]
    cohort = make_cohort(name, trials, Shape(hidden=(6,)))
    method = only(cohort).method
    assert isinstance(method, LearnedWeights)
    slow = [_LongWay(name, cohort, lane) for lane in range(2)]
    drawn = _watch_draws(method)
    before = [p.detach().clone() for p in method.net.parameters()]
    batches = [
        only(cohort).data.batch("train", torch.arange(first, last).expand(2, -1))
        for first, last in ((0, 13), (20, 27), (40, 59))[:each]
    ]
    for batch in batches:
        now = list(method.net.parameters())
        assert all(torch.equal(p, b) for p, b in zip(now, before, strict=True))
        method.begin_step(batch, only(cohort).model, torch.tensor([LR, LR]))
    for lane, long_way in enumerate(slow):
        long_way.step(
            [
                (
                    b.inputs[lane],
                    b.targets.labels[lane],
                    b.targets.teachers[lane, 0],
                    *_own(d, lane),
                )
                for b, d in zip(batches, drawn, strict=True)
            ]
        )
        expected = list(long_way.net.parameters())
        for ours, theirs, was in zip(method.net.parameters(), expected, before, strict=True):
            torch.testing.assert_close(ours[lane].detach(), theirs.detach())
            assert (ours[lane] != was[lane]).any()
        taken = step(only(cohort), batches[0])
        z, targets = taken.output.logits, batches[0].targets
        y, t = targets.labels[lane], targets.teachers[lane, 0]
        w = long_way.weights(z[lane], y, t)
        expected_loss = long_way.loss(z[lane], y, t, w.detach())
        found = method.losses(taken)[lane].mean()
        torch.testing.assert_close(found, expected_loss)
        slopes = [torch.autograd.grad(x, z, retain_graph=True)[0] for x in (found, expected_loss)]
        torch.testing.assert_close(*slopes)


def test_where_the_net_weighs_both_by_a_half_bikd_is_fixed_kd_at_a_half() -> None:
    trial = Trial("a", values={"net_lr": 0.0, "lr": 0.05})
    cohort = make_cohort("bikd", [trial])
    assert isinstance(only(cohort).method, LearnedWeights)
    for p in only(cohort).method.net.layers[-1].parameters():
        p.data.zero_()
    diary = Diary()
    cohort.train(diary)
    fixed = Trial("a", values={"alpha": 0.5, "lr": 0.05})
    found = [row["validation_loss"] for row in diary.rows["a"]]
    expected = [row["validation_loss"] for row in history("fixed_kd", fixed)]
    assert found == pytest.approx(expected, rel=1e-9)


def test_a_held_out_batch_of_the_default_size_by_name_is_the_default() -> None:
    trial = Trial("a", values={"net_lr": 0.1})
    rows = history("meta_weight_net", trial)
    assert history("meta_weight_net", with_values(trial, held_out_batch=Shape.batch_size)) == rows
    assert history("meta_weight_net", with_values(trial, held_out_batch=5)) != rows

"""Weighting nets: a step of the net and of the student, written out for one lane with torch."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.trainers.cases import Diary, Shape, Trial, history, make_cohort, only, step
from trainers.lanes.adam import LaneAdam
from trainers.loop.cohort import Cohort
from trainers.mixing.learned_weights import NET_DECAY, LearnedWeights

TAU, NET_LR, LR = 3.0, 0.02, 0.3

pytestmark = pytest.mark.usefixtures("double_precision")


def _copy(layer: nn.Module, lane: int) -> nn.Linear:
    """A lane of a layer as torch's own."""
    weight, bias = layer.weight[lane].detach(), layer.bias[lane].detach()
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    linear.weight.data, linear.bias.data = weight.clone(), bias.clone()
    return linear


class _LongWay:
    """One step of the net of one lane, with a backward pass through the look-ahead."""

    def __init__(self, name: str, cohort: Cohort, lane: int) -> None:
        assert isinstance(only(cohort).method, LearnedWeights)
        self._name = name
        net = only(cohort).method.net
        self.net = nn.Sequential(_copy(net.hidden, lane), nn.ReLU(), _copy(net.out, lane))
        self._student = [
            _copy(layer, lane) for layer in (*only(cohort).model.body, only(cohort).model.head)
        ]

    def weights(self, z: Tensor, y: Tensor, t: Tensor) -> Tensor:
        """(K, B)."""
        label = F.cross_entropy(z.detach(), y, reduction="none")
        if self._name == "meta_weight_net":
            return torch.sigmoid(self.net(label.unsqueeze(1))).T
        teacher = F.cross_entropy(t, y, reduction="none")
        return 1 + self.net(torch.stack([label, teacher], dim=1)).T

    def loss(self, z: Tensor, y: Tensor, t: Tensor, w: Tensor) -> Tensor:
        losses = [F.cross_entropy(z, y, reduction="none")]
        if self._name == "bikd":
            p = F.log_softmax(t / TAU, -1)
            kd = F.kl_div(F.log_softmax(z / TAU, -1), p, reduction="none", log_target=True)
            losses.append(TAU**2 * kd.sum(-1))
        return (w * torch.stack(losses)).sum(0).mean()

    def step(self, x: Tensor, y: Tensor, t: Tensor, held_out: tuple[Tensor, Tensor]) -> None:
        theta = [p for layer in self._student for p in layer.parameters()]
        z = self._forward(theta, x)
        loss = self.loss(z, y, t, self.weights(z, y, t))
        gradients = torch.autograd.grad(loss, theta, create_graph=True)
        moved = [p - LR * g for p, g in zip(theta, gradients, strict=True)]
        after = F.cross_entropy(self._forward(moved, held_out[0]), held_out[1])
        adam = torch.optim.Adam(self.net.parameters(), NET_LR, weight_decay=NET_DECAY)
        adam.zero_grad()
        after.backward()
        adam.step()

    def _forward(self, theta: list[Tensor], x: Tensor) -> Tensor:
        W1, b1, W2, b2 = theta
        return F.linear(torch.relu(F.linear(x, W1, b1)), W2, b2)


@pytest.mark.parametrize("name", ["meta_weight_net", "bikd"])
def test_step_of_the_net_is_the_long_way(name: str) -> None:
    values = {"net_lr": NET_LR, "temperature": TAU}
    trials = [Trial(f"{i}", seed=i, values=values, teachers=("weak",)) for i in range(2)]
    cohort = make_cohort(name, trials, Shape(hidden=(6,)))
    method = only(cohort).method
    assert isinstance(method, LearnedWeights)
    slow = [_LongWay(name, cohort, lane) for lane in range(2)]
    batch = only(cohort).data.batch("train", torch.arange(13).expand(2, -1))
    drawn = []
    draw = method._held_out.draw

    def watch():  # type: ignore[no-untyped-def]
        drawn.append(draw())
        return drawn[-1]

    method._held_out.draw = watch  # type: ignore[method-assign]
    before = method.net.out.weight.detach().clone()
    method.begin_step(batch, only(cohort).model, torch.tensor([LR, LR]))
    assert (method.net.out.weight != before).any()
    for lane, long_way in enumerate(slow):
        y, t = batch.targets.labels[lane], batch.targets.teachers[lane, 0]
        held_out = drawn[0].inputs[lane], drawn[0].targets.labels[lane]
        long_way.step(batch.inputs[lane], y, t, held_out)
        for ours, theirs in ((method.net.hidden, 0), (method.net.out, 2)):
            expected = long_way.net[theirs]
            torch.testing.assert_close(ours.weight[lane].detach(), expected.weight.detach())
            torch.testing.assert_close(ours.bias[lane].detach(), expected.bias.detach())
        taken = step(only(cohort), batch)
        z = taken.output.logits
        w = long_way.weights(z[lane], y, t)
        expected_loss = long_way.loss(z[lane], y, t, w.detach())
        found = method.losses(taken)[lane].mean()
        torch.testing.assert_close(found, expected_loss)
        slopes = [torch.autograd.grad(x, z, retain_graph=True)[0] for x in (found, expected_loss)]
        torch.testing.assert_close(*slopes)


def test_held_out_batches_go_through_the_meta_split() -> None:
    cohort = make_cohort("meta_weight_net", [Trial("a"), Trial("b", seed=4)], Shape(batch_size=8))
    method = only(cohort).method
    assert isinstance(method, LearnedWeights)
    n = only(cohort).data.size("meta")
    places = [method._held_out.draw().places for _ in range(2 * (n // 8))]
    assert {p.shape[1] for p in places} == {8}
    for lane in range(2):
        first, second = (
            torch.cat([p[lane] for p in half]) for half in (places[: n // 8], places[n // 8 :])
        )
        assert len(first.unique()) == len(first) == n - n % 8
        assert not torch.equal(first, second)
    assert not torch.equal(places[0][0], places[0][1])


def test_adam_is_torchs() -> None:
    g = torch.Generator().manual_seed(1)
    start = torch.randn(2, 3, 4, generator=g)
    ours = nn.Parameter(start.clone())
    adam = LaneAdam([ours], torch.tensor([0.1, 0.01]), decay=0.2)
    theirs = [nn.Parameter(start[i].clone()) for i in range(2)]
    each = [
        torch.optim.Adam([p], lr, weight_decay=0.2)
        for p, lr in zip(theirs, (0.1, 0.01), strict=True)
    ]
    for _ in range(5):
        gradient = torch.randn(2, 3, 4, generator=g)
        adam.step([gradient])
        for i, optimizer in enumerate(each):
            theirs[i].grad = gradient[i]
            optimizer.step()
    torch.testing.assert_close(ours.data, torch.stack([p.data for p in theirs]))


def test_a_net_that_stays_as_it_is_at_one_weighs_as_the_sum_of_both_losses() -> None:
    """With its last layer at zero BiKD is half of fixed_kd at 0.5, which another rate makes up."""
    trial = Trial("a", values={"net_lr": 0.0, "lr": 0.05, "weight_decay": 0.0})
    cohort = make_cohort("bikd", [trial])
    assert isinstance(only(cohort).method, LearnedWeights)
    for p in only(cohort).method.net.out.parameters():
        p.data.zero_()
    diary = Diary()
    cohort.train(diary)
    fixed = Trial("a", values={"alpha": 0.5, "lr": 0.1, "weight_decay": 0.0})
    found = [row["validation_loss"] for row in diary.rows["a"]]
    expected = [row["validation_loss"] for row in history("fixed_kd", fixed)]
    assert found == pytest.approx(expected, rel=1e-9)

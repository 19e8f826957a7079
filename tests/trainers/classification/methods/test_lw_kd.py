"""LW-KD: its terms, whose gradient goes where, and what it is at its limits."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.trainers.cases import (
    CLASSES,
    Trial,
    history,
    lively_trials,
    make_cohort,
    only,
)
from tests.trainers.drawn import Drawn, drawn
from trainers.classification.methods.lw_kd import LwKd, passes_for_teacher
from trainers.mixing.fixed_kd import FixedKd

pytestmark = pytest.mark.usefixtures("double_precision")

VALUES = {"alpha": 0.4, "temperature": 3.0, "adversarial_weight": 0.7, "discriminator_lr": 0.01}
# Of a discriminator that stands still.
STILL = {**VALUES, "discriminator_lr": 0.0}


def _method(d: Drawn) -> LwKd:
    assert isinstance(d.method, LwKd)
    return d.method


def _plain_discriminator(method: LwKd, lane: int) -> nn.Sequential:
    """The same network, of torch's own layers."""
    own = method.discriminator
    net = nn.Sequential(nn.Linear(CLASSES, 64), nn.ReLU(), nn.Linear(64, 1))
    with torch.no_grad():
        for mine, its in ((net[0], own.hidden), (net[2], own.out)):
            mine.weight.copy_(its.weight[lane])
            mine.bias.copy_(its.bias[lane])
    return net


def _adversarial(d: Drawn, z: Tensor) -> Tensor:
    """The adversarial term alone, (L, B)."""
    weight = d.method.values.numbers["adversarial_weight"].view(-1, 1)
    return (d.method.losses(d.step(z)) - FixedKd.losses(_method(d), d.step(z))) / weight


def test_losses_are_those_of_torchs_own_layers_and_adam() -> None:
    d = drawn("lw_kd", [VALUES, {**VALUES, "temperature": 1.5, "discriminator_lr": 0.1}])
    nets = [_plain_discriminator(_method(d), lane) for lane in range(2)]
    steps = [
        torch.optim.Adam(net.parameters(), lr=lr) for net, lr in zip(nets, (0.01, 0.1), strict=True)
    ]
    for shift in (0.0, 0.3, -0.2):
        found = d.losses(d.z + shift * d.z.flip(-1))
        for lane, tau in enumerate((3.0, 1.5)):
            y, z, t = d.lane(lane)
            z = z + shift * z.flip(-1)
            p, q = torch.softmax(t[0] / tau, -1), torch.softmax(z / tau, -1)
            of_teacher, of_student = nets[lane](p).squeeze(1), nets[lane](q).squeeze(1)
            ones, zeros = torch.ones_like(of_teacher), torch.zeros_like(of_student)
            loss = functional.binary_cross_entropy_with_logits(of_teacher, ones)
            loss = loss + functional.binary_cross_entropy_with_logits(of_student, zeros)
            steps[lane].zero_grad()
            loss.backward()
            steps[lane].step()
            kd = tau**2 * (p * (p.log() - q.log())).sum(-1)
            expected = 0.6 * functional.cross_entropy(z, y, reduction="none") + 0.4 * kd
            expected = expected + 0.7 * functional.softplus(-nets[lane](q).squeeze(1))
            torch.testing.assert_close(found[lane], expected, rtol=1e-9, atol=1e-10)


def test_the_gradient_by_the_students_logits_is_exact() -> None:
    d = drawn("lw_kd", [STILL])
    z = d.z.clone().requires_grad_()

    def losses(x: Tensor) -> Tensor:
        return copy.deepcopy(d.method).losses(d.step(x))

    assert torch.autograd.gradcheck(losses, (z,), eps=1e-6, atol=1e-6)
    (found,) = torch.autograd.grad(_adversarial(d, z).sum(), z)
    # -sigmoid(-D) times the gradient of D, through the softmax.
    net, tau = _plain_discriminator(_method(d), 0), 3.0
    p = torch.softmax(d.z[0] / tau, -1).requires_grad_()
    logit = net(p).squeeze(1)
    (by_p,) = torch.autograd.grad(logit.sum(), p)
    by_p = -torch.sigmoid(-logit).unsqueeze(1) * by_p
    expected = p * (by_p - (p * by_p).sum(-1, keepdim=True)) / tau
    torch.testing.assert_close(found[0], expected, rtol=1e-6, atol=1e-9)


def test_a_step_down_the_adversarial_term_raises_the_discriminators_logit_of_the_student() -> None:
    d = drawn("lw_kd", [STILL, STILL])
    net = _method(d).discriminator
    z = d.z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(_adversarial(d, z).sum(), z)
    before, after = (net(torch.softmax(x / 3.0, -1)) for x in (d.z, d.z - 0.1 * gradient))
    assert gradient.abs().amax(-1).gt(0).all()
    assert (after > before).all()


def test_a_step_of_the_discriminator_moves_it_alone_and_tells_better() -> None:
    d = drawn("lw_kd", [VALUES])
    net, tau = _method(d).discriminator, 3.0
    z, t = d.z.clone().requires_grad_(), d.batch.targets.teachers.clone()
    p, q = torch.softmax(t[:, 0] / tau, -1), torch.softmax(d.z / tau, -1)

    def lost() -> float:
        with torch.no_grad():
            return float((passes_for_teacher(net(p)) + passes_for_teacher(-net(q))).mean())

    before, start = lost(), [x.clone() for x in net.parameters()]
    losses = d.losses(z)
    assert lost() < before
    assert any(not torch.equal(x, y) for x, y in zip(start, net.parameters(), strict=True))
    assert z.grad is None
    assert torch.equal(z, d.z)
    assert torch.equal(d.batch.targets.teachers, t)
    moved = [x.clone() for x in net.parameters()]
    torch.autograd.grad(losses.sum(), z)
    assert all(x.grad is None for x in net.parameters())
    assert all(torch.equal(x, y) for x, y in zip(moved, net.parameters(), strict=True))


def test_a_student_that_says_what_the_teacher_says_cannot_be_told_from_it() -> None:
    d = drawn("lw_kd", [VALUES])
    d.method.begin_epoch(1, nn.Module(), torch.zeros(1))  # type: ignore[arg-type]
    for _ in range(5):
        d.losses(d.batch.targets.teachers[:, 0])
    assert float(d.method.metrics()["discriminator_accuracy"]) == pytest.approx(50.0)


def test_a_discriminator_that_says_the_same_of_all_gives_no_gradient() -> None:
    d = drawn("lw_kd", [STILL])
    with torch.no_grad():
        _method(d).discriminator.out.weight.zero_()
    z = d.z.clone().requires_grad_()
    (found,) = torch.autograd.grad(_adversarial(d, z).sum(), z)
    assert found.abs().max() < 1e-15


@pytest.mark.parametrize("teacher", ["light", "strong"])
def test_without_the_adversarial_term_it_is_fixed_kd(teacher: str) -> None:
    mix = {"alpha": 0.6, "temperature": 2.0}
    trial = Trial("a", teachers=(teacher,), values={**mix, "adversarial_weight": 0.0})
    plain = Trial("a", teachers=(teacher,), values=mix)
    assert history("lw_kd", trial) == history("fixed_kd", plain)


def test_without_both_terms_it_is_the_labels_alone() -> None:
    values = {"alpha": 0.0, "adversarial_weight": 0.0}
    trial = Trial("a", teachers=("light",), values=values)
    alone = history("labels_only", Trial("a", teachers=()))
    assert history("lw_kd", trial) == alone


def test_other_draws_change_the_loss_of_a_light_teacher_but_not_in_the_mean() -> None:
    stack = only(make_cohort("lw_kd", [Trial("a", teachers=("light",), values=STILL)]))
    index = torch.arange(40).unsqueeze(0)
    means = []
    with torch.no_grad():
        output = stack.model(stack.data.batch("train", index).inputs)
        for _ in range(400):
            batch = stack.data.training_batch(index)
            terms = stack.data.terms(batch.targets, output, stack.method.values)
            means.append(float(terms.teacher(0).mean()))
    first, second = np.array(means[:200]), np.array(means[200:])
    assert first.std() > 0
    error = np.sqrt(first.var() / 200 + second.var() / 200)
    assert abs(first.mean() - second.mean()) < 4 * error


def test_the_discriminators_accuracy_is_told_where_it_has_weight() -> None:
    trials = lively_trials("lw_kd", 3)
    for trial in trials:
        for row in history("lw_kd", trial):
            told = row.get("discriminator_accuracy")
            if trial.values["adversarial_weight"]:
                assert told is not None
                assert 0 <= told <= 100
            else:
                assert told is None

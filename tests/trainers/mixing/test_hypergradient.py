"""The closed form against autograd through a look-ahead written out the long way."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.losses import cross_entropy_gradient, distillation_gradient
from trainers.classes.terms import ClassObjective
from trainers.lanes.network import Output
from trainers.mixing.hypergradient import (
    Evaluation,
    TrainingGroup,
    last_layer_hypergradient,
    look_ahead_logits,
)

L, G, V, C, H, K, BATCH = 3, 7, 5, 4, 6, 2, 3
ETA = (0.3, 0.05, 1.0)
TAU = 4.0

pytestmark = pytest.mark.usefixtures("double_precision")


@dataclass(frozen=True)
class Problem:
    """Everything a look-ahead reads, and the last layers (W of torch.nn.Linear is (C, H))."""

    heads: list[torch.nn.Linear]
    h: Tensor
    y: Tensor
    t: Tensor
    held_out_h: Tensor
    held_out_p: Tensor
    held_out_w: Tensor
    held_out_s: Tensor
    lam: Tensor

    def goal(self) -> ClassObjective:
        return ClassObjective(self.held_out_p.mT, self.held_out_w, self.held_out_s)

    def closed_form_inputs(self, eta: Tensor) -> tuple[TrainingGroup, Evaluation]:
        z = torch.stack([head(h) for head, h in zip(self.heads, self.h, strict=True)]).detach()
        label = cross_entropy_gradient(z, self.y)
        teacher = distillation_gradient(self.t, z, torch.full((L, 1), TAU))
        held_out_z = torch.stack(
            [head(h) for head, h in zip(self.heads, self.held_out_h, strict=True)]
        ).detach()
        return (
            TrainingGroup(self.h.mT, torch.stack([label.mT, teacher.mT], dim=1), eta, BATCH),
            Evaluation(self.held_out_h.mT, held_out_z.mT, self.goal()),
        )


@pytest.fixture
def problem() -> Problem:
    g = torch.Generator().manual_seed(7)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g)

    heads = [torch.nn.Linear(H, C) for _ in range(L)]
    for parameter in (p for head in heads for p in head.parameters()):
        parameter.data.copy_(normal(*parameter.shape))
    return Problem(
        heads,
        h=normal(L, G, H),
        y=torch.randint(C, (L, G), generator=g),
        t=normal(L, G, C),
        held_out_h=normal(L, V, H),
        held_out_p=torch.softmax(normal(L, V, C), dim=-1),
        held_out_w=torch.rand(L, V, generator=g),
        held_out_s=0.5 + 3 * torch.rand(L, V, generator=g),
        lam=2 * torch.rand(L, K, G, generator=g),
    )


def _example_losses(head: torch.nn.Linear, h: Tensor, y: Tensor, t: Tensor) -> list[Tensor]:
    """The two losses of one example, by torch's own functions."""
    z = head(h)
    soft = F.log_softmax(t / TAU, -1)
    divergence = F.kl_div(F.log_softmax(z / TAU, -1), soft, reduction="sum", log_target=True)
    return [F.cross_entropy(z, y), TAU**2 * divergence]


def _held_out_loss(problem: Problem, lane: int, lam: Tensor, eta: float) -> Tensor:
    """The held-out loss after theta' = theta - eta/B sum_ik lam_ik g_ik, example by example."""
    head = problem.heads[lane]
    W, b = head.weight.detach(), head.bias.detach()
    for i in range(G):
        example = problem.h[lane, i], problem.y[lane, i], problem.t[lane, i]
        for k, loss in enumerate(_example_losses(head, *example)):
            dW, db = torch.autograd.grad(loss, [head.weight, head.bias], retain_graph=True)
            W = W - eta / BATCH * lam[k, i] * dW
            b = b - eta / BATCH * lam[k, i] * db
    s = problem.held_out_s[lane]
    z = F.linear(problem.held_out_h[lane], W, b) / s.unsqueeze(1)
    rows = s**2 * F.cross_entropy(z, problem.held_out_p[lane], reduction="none")
    return (problem.held_out_w[lane] * rows).sum()


def _look_ahead_loss(lam: Tensor, group: TrainingGroup, evaluation: Evaluation) -> Tensor:
    """The held-out loss after the step in closed form, (L,)."""
    return evaluation.goal.loss(Output(None, look_ahead_logits(lam, group, evaluation).mT))


def test_closed_form_is_the_derivative_of_the_written_out_look_ahead(problem: Problem) -> None:
    group, evaluation = problem.closed_form_inputs(torch.tensor(ETA))
    found = last_layer_hypergradient(problem.lam, group, evaluation)
    for lane, eta in enumerate(ETA):
        lam = problem.lam[lane].clone().requires_grad_()
        (expected,) = torch.autograd.grad(_held_out_loss(problem, lane, lam, eta), lam)
        assert expected.abs().min() > 0
        torch.testing.assert_close(found[lane], expected)


def test_look_ahead_loss_is_the_written_out_one(problem: Problem) -> None:
    group, evaluation = problem.closed_form_inputs(torch.tensor(ETA))
    found = _look_ahead_loss(problem.lam, group, evaluation)
    expected = [
        _held_out_loss(problem, lane, problem.lam[lane], eta) for lane, eta in enumerate(ETA)
    ]
    torch.testing.assert_close(found, torch.stack(expected))


def test_closed_form_passes_gradcheck(problem: Problem) -> None:
    """The closed form as the backward pass of the loss, against finite differences."""
    group, evaluation = problem.closed_form_inputs(torch.tensor(ETA))

    class LookAheadLoss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, lam: Tensor) -> Tensor:
            ctx.save_for_backward(lam)
            return _look_ahead_loss(lam, group, evaluation)

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, upstream: Tensor) -> Tensor:
            (lam,) = ctx.saved_tensors
            return upstream.view(-1, 1, 1) * last_layer_hypergradient(lam, group, evaluation)

    assert torch.autograd.gradcheck(LookAheadLoss.apply, problem.lam.clone().requires_grad_())


def test_hypergradient_vanishes_without_a_step(problem: Problem) -> None:
    group, evaluation = problem.closed_form_inputs(torch.zeros(L))
    assert torch.equal(look_ahead_logits(problem.lam, group, evaluation), evaluation.z)
    assert (last_layer_hypergradient(problem.lam, group, evaluation) == 0).all()


def test_hypergradient_per_step_tends_to_the_inner_product_of_gradients(problem: Problem) -> None:
    """As eta -> 0: dL_val/dlam_ik / eta -> -<grad L_val(theta), g_ik>, which no lam changes."""
    eta = 1e-7
    group, evaluation = problem.closed_form_inputs(torch.full((L,), eta))
    found = last_layer_hypergradient(problem.lam, group, evaluation) / eta
    elsewhere = last_layer_hypergradient(torch.zeros_like(problem.lam), group, evaluation) / eta
    torch.testing.assert_close(found, elsewhere, rtol=1e-4, atol=1e-6)


def test_lanes_together_are_lanes_one_by_one(problem: Problem) -> None:
    group, evaluation = problem.closed_form_inputs(torch.tensor(ETA))
    together = last_layer_hypergradient(problem.lam, group, evaluation)
    goal = problem.goal()
    for i in range(L):
        lane = slice(i, i + 1)
        alone = last_layer_hypergradient(
            problem.lam[lane],
            TrainingGroup(group.h[lane], group.r[lane], group.eta[lane], BATCH),
            Evaluation(
                evaluation.h[lane],
                evaluation.z[lane],
                ClassObjective(*(t[lane] for t in (goal.p, goal.w, goal.s))),
            ),
        )
        torch.testing.assert_close(together[lane], alone)

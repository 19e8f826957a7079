"""The forward-mode form against autograd through the written-out step, for the whole network."""

import pytest
import torch
from torch import Tensor
from torch.func import jvp

from tests.trainers.cases import Shape, Trial, make_cohort, only
from trainers.classes.losses import cross_entropy, distillation
from trainers.evaluation import evaluation_mode
from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.mixing.alm_kd.rule import AlmKd
from trainers.mixing.alm_kd.variants import VARIANTS
from trainers.mixing.look_ahead import Group, Network, Parameters, look_ahead_gradient

L, B, V, D, H, C, K = 2, 5, 4, 3, 6, 4, 2
STEP = torch.tensor([0.2, 0.05], dtype=torch.float64)

pytestmark = pytest.mark.usefixtures("double_precision")


class Student(LaneNetwork):
    """Two layers, a curve between them, and a scale kept as a buffer."""

    def __init__(self) -> None:
        super().__init__()
        generators = [torch.Generator().manual_seed(i) for i in range(3)]
        self.body, self.head = Linear(D, H, generators), Linear(H, C, generators)
        self.register_buffer("scale", torch.tensor([1.0, 0.5, 2.0]).view(3, 1, 1))

    def forward(self, x: Tensor) -> Output:
        h = torch.tanh(self.scale * self.body(x.mT))
        return Output(h.mT, self.head(h).mT)


class Problem:
    """The losses of a batch and the loss of held-out rows, as functions of the parameters."""

    def __init__(self) -> None:
        g = torch.Generator().manual_seed(5)
        self._x, self._x_held_out = (
            torch.randn(L, B, D, generator=g),
            torch.randn(L, V, D, generator=g),
        )
        self._y, self._y_held_out = (torch.randint(C, (L, n), generator=g) for n in (B, V))
        self._t = torch.randn(L, B, C, generator=g)
        self.lam = 2 * torch.rand(L, K, B, generator=g)
        # As from batches of other sizes.
        self.scale = 0.5 + torch.rand(L, B, generator=g)
        # Lanes 2 and 0 of three: parameters and buffers follow.
        self.network = Network(Student(), torch.tensor([2, 0]))

    def group(self) -> Group:
        """The training side of the look-ahead."""
        return Group(self.output, self.terms, self.along, self.scale)

    def output(self, theta: Parameters) -> Output:
        return self.network.output(theta, self._x)

    def terms(self, output: Output) -> Tensor:
        z, tau = output.logits, torch.tensor(3.0).expand(L, 1)
        return torch.stack([cross_entropy(z, self._y), distillation(self._t, z, tau)], dim=1)

    def along(self, output: Output, tangent: Output) -> Tensor:
        along: Tensor = jvp(
            lambda z: self.terms(Output(None, z)), (output.logits,), (tangent.logits,)
        )[1]
        return along

    def held_out(self, theta: Parameters) -> Tensor:
        z = self.network.output(theta, self._x_held_out).logits
        return cross_entropy(z, self._y_held_out).mean(1)

    def gradient(self, lam: Tensor) -> Tensor:
        theta, group = self.network.parameters, self.group()
        return look_ahead_gradient(theta, group, lam, STEP, self.held_out)

    def through_the_step(self, lam: Tensor) -> Tensor:
        """The held-out losses (L,) after the step, with the graph that leads back to ``lam``."""
        theta = {k: p.clone().requires_grad_() for k, p in self.network.parameters.items()}
        losses = self.scale.unsqueeze(1) * self.terms(self.output(theta))
        total = (lam * losses).sum()
        gradients = torch.autograd.grad(total, list(theta.values()), create_graph=True)
        moved = {
            k: p - STEP.view(-1, *[1] * (p.dim() - 1)) * g
            for (k, p), g in zip(theta.items(), gradients, strict=True)
        }
        return self.held_out(moved)


def test_gradient_is_the_one_through_a_backward_of_a_backward() -> None:
    problem = Problem()
    lam = problem.lam.clone().requires_grad_()
    (expected,) = torch.autograd.grad(problem.through_the_step(lam).sum(), lam)
    assert expected.abs().min() > 0
    torch.testing.assert_close(problem.gradient(problem.lam), expected)


def test_gradient_passes_gradcheck() -> None:
    problem = Problem()

    class LookAheadLoss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: torch.autograd.function.FunctionCtx, lam: Tensor) -> Tensor:
            ctx.save_for_backward(lam)
            with torch.enable_grad():
                return problem.through_the_step(lam.detach().requires_grad_()).detach()

        @staticmethod
        def backward(ctx: torch.autograd.function.FunctionCtx, upstream: Tensor) -> Tensor:
            (lam,) = ctx.saved_tensors
            return upstream.view(-1, 1, 1) * problem.gradient(lam)

    assert torch.autograd.gradcheck(LookAheadLoss.apply, problem.lam.clone().requires_grad_())


def test_nothing_changes_without_a_step() -> None:
    problem = Problem()
    theta, group = problem.network.parameters, problem.group()
    still = look_ahead_gradient(theta, group, problem.lam, 0 * STEP, problem.held_out)
    assert (still == 0).all()


def test_student_is_left_in_the_mode_it_was_in() -> None:
    student = Student()
    for mode in (True, False):
        student.train(mode)
        with evaluation_mode(student):
            assert not student.training
        assert student.training is mode


def _updated(variant: str, frozen: bool) -> dict[str, Tensor]:
    """Weights after one update, by kind of look-ahead; ``frozen``: a student that is linear."""
    found = {}
    for kind in ("last_layer", "full"):
        own = {"variant": variant, "meta_lr": 20.0, "warmup_epochs": 0, "grad_fit": 2}
        trial = Trial("a", teachers=("strong", "weak"), values={**own, "hypergradient": kind})
        cohort = make_cohort("alm_kd", [trial], Shape(hidden=(6,)))
        for p in only(cohort).model.body.parameters():
            p.requires_grad_(not frozen)
        assert isinstance(only(cohort).method, AlmKd)
        before = only(cohort).method.lam.clone()
        only(cohort).method.begin_epoch(1, only(cohort).model, torch.tensor([0.3]))
        found[kind] = only(cohort).method.lam[0]
        assert (found[kind] != before[0]).any()
    return found


@pytest.mark.parametrize("variant", [v for v in VARIANTS if v != "convex"])
def test_kinds_agree_where_only_the_last_layer_trains(variant: str) -> None:
    linear = _updated(variant, frozen=True)
    torch.testing.assert_close(linear["full"], linear["last_layer"])
    deep = _updated(variant, frozen=False)
    assert (deep["full"] - deep["last_layer"]).abs().max() > 1e-3

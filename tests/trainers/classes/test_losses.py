from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.losses import (
    cross_entropy,
    cross_entropy_gradient,
    distillation,
    distillation_gradient,
)

L, B, C = 3, 11, 7

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.fixture
def z() -> Tensor:
    return 3 * torch.randn(L, B, C, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def t() -> Tensor:
    return 3 * torch.randn(L, B, C, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def y() -> Tensor:
    return torch.randint(C, (L, B), generator=torch.Generator().manual_seed(3))


@pytest.fixture
def tau() -> Tensor:
    """A temperature per lane, (L, 1)."""
    return torch.tensor([0.7, 1.0, 4.0]).view(L, 1)


def test_cross_entropy_is_torchs(z: Tensor, y: Tensor) -> None:
    expected = F.cross_entropy(z.flatten(0, 1), y.flatten(), reduction="none").view(L, B)
    torch.testing.assert_close(cross_entropy(z, y), expected)


def test_distillation_is_torchs_divergence_times_tau_squared(
    z: Tensor, t: Tensor, tau: Tensor
) -> None:
    for lane in range(L):
        s = tau[lane].item()
        log_q, log_p = F.log_softmax(z[lane] / s, -1), F.log_softmax(t[lane] / s, -1)
        expected = s**2 * F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1)
        torch.testing.assert_close(distillation(t, z, tau)[lane], expected)


def test_distillation_from_oneself_is_zero(z: Tensor, tau: Tensor) -> None:
    torch.testing.assert_close(distillation(z, z, tau), torch.zeros(L, B))
    torch.testing.assert_close(distillation_gradient(z, z, tau), torch.zeros(L, B, C))


def test_distillation_gradient_keeps_its_size_at_high_temperature(z: Tensor, t: Tensor) -> None:
    """tau^2 is there for this: the gradient tends to (z - t - mean) / C, whatever tau is."""
    hot = torch.full((L, 1), 1e4)
    difference = z - t
    limit = (difference - difference.mean(-1, keepdim=True)) / C
    torch.testing.assert_close(distillation_gradient(t, z, hot), limit, rtol=0, atol=1e-2)


def _autograd(loss: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    z = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(z).sum(), z)
    return gradient


def test_closed_gradients_are_autograds(z: Tensor, t: Tensor, y: Tensor, tau: Tensor) -> None:
    torch.testing.assert_close(
        cross_entropy_gradient(z, y), _autograd(lambda x: cross_entropy(x, y), z)
    )
    torch.testing.assert_close(
        distillation_gradient(t, z, tau), _autograd(lambda x: distillation(t, x, tau), z)
    )


def test_losses_pass_gradcheck(z: Tensor, t: Tensor, y: Tensor, tau: Tensor) -> None:
    z = z.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: cross_entropy(x, y), z)
    assert torch.autograd.gradcheck(lambda x: distillation(t, x, tau), z)


def test_confident_logits_give_finite_losses() -> None:
    z = torch.tensor([[500.0, -500.0]])
    assert cross_entropy(z, torch.tensor([1])).item() == pytest.approx(1000.0)
    assert distillation(-z, z, torch.ones(1)).isfinite().all()

"""Divergences of next-token distributions: golden numbers, limits, gradients."""

import math

import pytest
import torch
from torch import Tensor

from trainers.language.divergences import DIVERGENCES, Shape, log_probabilities

T = torch.tensor([[2.0, 1, 0, -1], [0, 3, 1, 0]], dtype=torch.float64)
Z = torch.tensor([[0.5, 0, 1, -0.5], [1, 1, 1, 1]], dtype=torch.float64)
# Computed apart, by trl 1.16.0 and by hand.
GOLDEN = {
    "fkl": (0.4467295607, 0.7142159756),
    "rkl": (0.5772618085, 0.8247032621),
    "tvd": (0.4373876360, 0.5597759915),
    "skew_fkl": (0.3661412878, 0.5639980662),
    "skew_rkl": (0.4182988501, 0.6030866528),
    "todi": (1.0239913692, 1.5389192377),
}


def _of(name: str, t: Tensor = T, z: Tensor = Z, beta: float = 0.5, skew: float = 0.1) -> Tensor:
    wide = torch.promote_types(t.dtype, torch.float32)
    shape = Shape(torch.tensor(beta, dtype=wide), torch.tensor(skew, dtype=wide))
    return DIVERGENCES[name](log_probabilities(t), log_probabilities(z), shape)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_numbers(name: str) -> None:
    torch.testing.assert_close(_of(name), torch.tensor(GOLDEN[name], dtype=torch.float64))


@pytest.mark.parametrize(
    ("beta", "mean"), [(0.1, 0.0518863479), (0.5, 0.1474336408), (0.9, 0.0596117760)]
)
def test_golden_jsd(beta: float, mean: float) -> None:
    assert float(_of("jsd", beta=beta).mean()) == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "mean"), [("fkl", 0.1758986706), ("rkl", 0.1762058060), ("jsd", 0.0431349028)]
)
def test_golden_at_temperature_two(name: str, mean: float) -> None:
    assert float(_of(name, T / 2, Z / 2).mean()) == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_equal_distributions_lose_nothing_and_move_nothing(name: str) -> None:
    z = T.clone().requires_grad_()
    lost = _of(name, T, z)
    (gradient,) = torch.autograd.grad(lost.sum(), z)
    assert lost.abs().max() < 1e-12
    assert gradient.abs().max() < 1e-12


def test_none_is_negative_and_jsd_is_bounded() -> None:
    rng = torch.Generator().manual_seed(0)
    t, z = (4 * torch.randn(500, 7, generator=rng, dtype=torch.float64) for _ in range(2))
    for name in DIVERGENCES:
        assert (_of(name, t, z) >= -1e-12).all()
    jsd = _of("jsd", t, z)
    assert (jsd <= math.log(2)).all()
    assert (jsd <= torch.maximum(_of("fkl", t, z), _of("rkl", t, z))).all()


def test_jsd_is_symmetric_in_both_and_beta_and_tends_to_the_divergences() -> None:
    for beta in (0.1, 0.3, 0.5):
        torch.testing.assert_close(_of("jsd", beta=beta), _of("jsd", Z, T, beta=1 - beta))
    assert not torch.allclose(_of("jsd", beta=0.1), _of("jsd", beta=0.9))
    tiny = 1e-4
    assert (_of("jsd", beta=tiny) / tiny - _of("fkl")).abs().max() < 1e-3
    assert (_of("jsd", beta=1 - tiny) / tiny - _of("rkl")).abs().max() < 1e-3


def test_skewed_by_nothing_are_the_divergences() -> None:
    torch.testing.assert_close(_of("skew_fkl", skew=1e-12), _of("fkl"))
    torch.testing.assert_close(_of("skew_rkl", skew=1e-12), _of("rkl"))


def test_gradients_are_those_on_paper() -> None:
    z = Z.clone().requires_grad_()
    p, q = torch.softmax(T, -1), torch.softmax(Z, -1)
    rkl = _of("rkl").unsqueeze(1)
    m = 0.3 * p + 0.7 * q
    of_q = (q * (q / m).log()).sum(1, keepdim=True)
    on_paper = {
        "fkl": q - p,
        "rkl": q * ((q / p).log() - rkl),
        "jsd": 0.7 * q * ((q / m).log() - of_q),
    }
    for name, wanted in on_paper.items():
        (found,) = torch.autograd.grad(_of(name, T, z, beta=0.3).sum(), z)
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_teacher_that_rules_a_token_out_gives_finite_gradients(name: str) -> None:
    t = T.clone()
    t[0, 2] = -torch.inf
    z = Z.clone().requires_grad_()
    lost = _of(name, t, z)
    (gradient,) = torch.autograd.grad(lost.sum(), z)
    assert torch.isfinite(lost).all()
    assert torch.isfinite(gradient).all()


def test_half_precision_gives_no_negative_divergence() -> None:
    rng = torch.Generator().manual_seed(1)
    t = torch.randn(200, 50, generator=rng).bfloat16()
    z = (t + 0.01 * torch.randn(200, 50, generator=rng)).bfloat16()
    for name in DIVERGENCES:
        assert (_of(name, t, z) >= -1e-6).all()


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_lane_is_the_same_beside_others(name: str) -> None:
    """To the last bit, for numbers of elements that torch's loops leave some of."""
    rng = torch.Generator().manual_seed(0)
    for columns in (7, 13, 31):
        p, q = (torch.randn(3, 5, columns, 11, generator=rng).log_softmax(-1) for _ in range(2))
        shape = Shape(torch.full((3, 1, 1), 0.3), torch.full((3, 1, 1), 0.1))
        found, gradient = _with_gradient(name, p, q, shape)
        for lane in range(3):
            own = slice(lane, lane + 1)
            of_lane = Shape(shape.beta[own], shape.skew[own])
            alone, its = _with_gradient(name, p[own].clone(), q[own].clone(), of_lane)
            assert torch.equal(found[own], alone)
            assert torch.equal(gradient[own], its)


def _with_gradient(name: str, p: Tensor, q: Tensor, shape: Shape) -> tuple[Tensor, Tensor]:
    leaf = q.detach().requires_grad_()
    found = DIVERGENCES[name](p, leaf, shape)
    return found.detach(), torch.autograd.grad(found.sum(), leaf)[0]

"""Single-teacher rules against plain numpy, written from the formulas, and their limits."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import lambertw, rel_entr
from scipy.special import softmax as np_softmax

from tests.trainers.cases import Trial, history, make_cohort
from tests.trainers.drawn import Drawn, drawn
from trainers.classes.losses import distillation
from trainers.classification.methods.dist import pearson
from trainers.classification.methods.dkd import decoupled
from trainers.mixing.superloss import confidence, lambert_w

Array = NDArray[np.float64]

pytestmark = pytest.mark.usefixtures("double_precision")


def _arrays(d: Drawn, lane: int) -> tuple[NDArray[np.int64], Array, Array]:
    """Labels, student logits and the first teacher's of a lane."""
    y, z, t = d.lane(lane)
    return y.numpy(), z.numpy(), t[0].numpy()


def _ce(y: NDArray[np.int64], z: Array) -> Array:
    return -np.log(np_softmax(z, -1)[np.arange(len(y)), y])


def _kd(t: Array, z: Array, tau: float) -> Array:
    return tau**2 * rel_entr(np_softmax(t / tau, -1), np_softmax(z / tau, -1)).sum(-1)


def test_label_smoothing_is_cross_entropy_with_soft_labels() -> None:
    d = drawn("label_smoothing", [{"smoothing": 0.3}, {"smoothing": 1.0}], teachers=0)
    for lane, eps in enumerate((0.3, 1.0)):
        y, z, _ = (x.numpy() for x in d.lane(lane))
        soft = (1 - eps) * np.eye(z.shape[1])[y] + eps / z.shape[1]
        expected = -(soft * np.log(np_softmax(z, -1))).sum(-1)
        np.testing.assert_allclose(d.losses()[lane], expected, rtol=1e-12)


def test_labels_that_are_not_smoothed_are_cross_entropy() -> None:
    trial = Trial("a", values={"smoothing": 0.0})
    assert history("label_smoothing", trial) == history("labels_only", trial)


def test_wsld_weighs_by_who_knows_the_label() -> None:
    d = drawn("wsld", [{"temperature": 2.0}, {"temperature": 3.0, "kd_weight": 0.5}])
    for lane, (tau, gamma) in enumerate(((2.0, 2.5), (3.0, 0.5))):
        y, z, t = _arrays(d, lane)
        w = 1 - np.exp(-_ce(y, z) / _ce(y, t))
        expected = _ce(y, z) + gamma * w * _kd(t, z, tau)
        np.testing.assert_allclose(d.losses()[lane], expected, rtol=1e-6)


def test_wsld_lets_no_gradient_through_its_weights() -> None:
    d = drawn("wsld", [{"temperature": 2.0}])
    z = d.z.clone().requires_grad_()
    (found,) = torch.autograd.grad(d.losses(z).sum(), z)
    y, plain, t = _arrays(d, 0)
    w = 2.5 * (1 - np.exp(-_ce(y, plain) / _ce(y, t)))[:, None]
    label = np_softmax(plain, -1) - np.eye(plain.shape[1])[y]
    teacher = 2.0 * (np_softmax(plain / 2, -1) - np_softmax(t / 2, -1))
    np.testing.assert_allclose(found[0], label + w * teacher, rtol=1e-6)


def test_lambert_w_is_scipys() -> None:
    edge = -1 / math.e
    near = edge + np.logspace(-15, -0.5, 60)
    x = np.concatenate([near, np.linspace(0, 3, 50), np.logspace(0, 12, 50)])
    found = lambert_w(torch.from_numpy(x)).numpy()
    # Near the branch point neither is exact: W goes like the root of the distance.
    np.testing.assert_allclose(found, lambertw(x).real, rtol=1e-7, atol=1e-7)
    inside = x > edge + 1e-6
    np.testing.assert_allclose((found * np.exp(found))[inside], x[inside], rtol=1e-12, atol=1e-15)
    assert lambert_w(torch.tensor([edge, edge - 1e-9])).tolist() == pytest.approx([-1, -1])


def test_superloss_is_scipys_closed_form_on_the_mixed_loss() -> None:
    d = drawn("superloss", [{"alpha": 0.3, "regularization": 0.25}, {"temperature": 2.0}])
    for lane, (alpha, tau, reg) in enumerate(((0.3, 4.0, 0.25), (0.9, 2.0, 1.0))):
        y, z, t = _arrays(d, lane)
        mixed = (1 - alpha) * _ce(y, z) + alpha * _kd(t, z, tau)
        excess = mixed - math.log(z.shape[1])
        # A hair above the branch point, where scipy has no value.
        sigma = np.exp(-lambertw(0.5 * np.maximum(-2 / math.e + 1e-14, excess / reg)).real)
        expected = excess * sigma + reg * np.log(sigma) ** 2
        np.testing.assert_allclose(d.losses()[lane], expected, rtol=1e-6)


def test_superloss_confidence_is_the_best_there_is_and_falls_with_the_loss() -> None:
    losses = torch.linspace(0.5, 9.0, 30)
    reg = torch.tensor(0.7)
    sigma = confidence(losses, math.log(5), reg)
    inside = (losses - math.log(5)) / reg > -2 / math.e
    assert (sigma[inside].diff() < 0).all()
    torch.testing.assert_close(sigma[~inside], torch.full_like(sigma[~inside], math.e))

    def objective(s: torch.Tensor) -> torch.Tensor:
        return (losses - math.log(5)) * s + reg * s.log().square()

    for factor in (0.99, 1.01):
        assert (objective(factor * sigma) > objective(sigma))[inside].all()


def test_superloss_with_much_regularization_is_fixed_kd() -> None:
    d = drawn("superloss", [{"alpha": 0.3, "regularization": 1e9}])
    fixed = drawn("fixed_kd", [{"alpha": 0.3}])
    shifted = fixed.losses() - math.log(d.z.shape[-1])
    torch.testing.assert_close(d.losses(), shifted, rtol=1e-6, atol=1e-6)


def test_superloss_is_finite_in_single_precision() -> None:
    losses = torch.tensor([0.0, 1e-6, 1.0, 2.3, 30.0, 1e4], dtype=torch.float32)
    usual = math.log(10)
    for reg in (0.01, 1.0, 100.0):
        assert confidence(losses, usual, torch.tensor(reg, dtype=torch.float32)).isfinite().all()


def test_dkd_is_its_two_parts_in_numpy() -> None:
    d = drawn("dkd", [{"target_weight": 2.0, "ramp_epochs": 4}, {"temperature": 2.0}])
    d.method.begin_epoch(5, None, None)  # type: ignore[arg-type]
    settings = ((2.0, 4.0, 1.0), (1.0, 2.0, 5 / 20))
    for lane, (alpha, tau, ramp) in enumerate(settings):
        y, z, t = _arrays(d, lane)
        p, q = np_softmax(t / tau, -1), np_softmax(z / tau, -1)
        at = np.arange(len(y)), y
        binary = [np.stack([x[at], 1 - x[at]], -1) for x in (p, q)]
        target = rel_entr(*binary).sum(-1)
        others = [np.delete(x[i], y[i]) for x in (p, q) for i in range(len(y))]
        p_other, q_other = (np.stack(others[k : k + len(y)]) for k in (0, len(y)))
        p_other, q_other = (x / x.sum(-1, keepdims=True) for x in (p_other, q_other))
        other = rel_entr(p_other, q_other).sum(-1)
        expected = _ce(y, z) + ramp * tau**2 * (alpha * target + 8.0 * other)
        np.testing.assert_allclose(d.losses()[lane], expected, rtol=1e-9)


def test_dkd_parts_add_up_to_distillation() -> None:
    d = drawn("dkd", [{}, {}])
    y, tau, t = d.batch.targets.labels, torch.tensor([[2.0], [5.0]]), d.batch.targets.teachers[:, 0]
    target, other = decoupled(t, d.z, y, tau)
    p_label = torch.softmax(t / tau.unsqueeze(-1), -1).gather(-1, y.unsqueeze(-1))
    whole = target + (1 - p_label.squeeze(-1)) * other
    torch.testing.assert_close(whole, distillation(t, d.z, tau))


def test_dkd_parts_pass_gradcheck() -> None:
    d = drawn("dkd", [{}])
    tau, t = torch.tensor([[2.0]]), d.batch.targets.teachers[:, 0]

    def parts(z: torch.Tensor) -> torch.Tensor:
        return torch.stack(decoupled(t, z, d.batch.targets.labels, tau))

    assert torch.autograd.gradcheck(parts, d.z.clone().requires_grad_())


def test_dist_is_numpys_correlation() -> None:
    values = [{"temperature": 2.0, "inter_weight": 3.0}, {"intra_weight": 0.5}, {}]
    d = drawn("dist", values)
    for lane, (tau, beta, gamma) in enumerate(((2.0, 3.0, 2.0), (4.0, 2.0, 0.5), (4.0, 2.0, 2.0))):
        y, z, t = _arrays(d, lane)
        p, q = np_softmax(t / tau, -1), np_softmax(z / tau, -1)
        inter = [1 - np.corrcoef(p[i], q[i])[0, 1] for i in range(len(y))]
        intra = 1 - np.mean([np.corrcoef(p[:, c], q[:, c])[0, 1] for c in range(z.shape[1])])
        expected = _ce(y, z) + tau**2 * (beta * np.array(inter) + gamma * intra)
        np.testing.assert_allclose(d.losses()[lane], expected, rtol=1e-5)


def test_dist_of_a_single_example_has_a_finite_gradient() -> None:
    a = torch.full((1, 1, 3), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(pearson(a, torch.rand(1, 1, 3), dim=-2).sum(), a)
    assert (gradient == 0).all()


def test_dist_without_its_relations_is_cross_entropy() -> None:
    trial = Trial("a", values={"inter_weight": 0.0, "intra_weight": 0.0})
    assert history("dist", trial) == history("labels_only", Trial("a"))


def test_born_again_is_fixed_kd_without_a_temperature() -> None:
    values = {"lr": 0.1, "alpha": 0.7}
    fixed = history("fixed_kd", Trial("a", values={**values, "temperature": 1.0}))
    assert history("born_again", Trial("a", values=values)) == fixed


@pytest.mark.parametrize(
    ("name", "teachers", "problem"),
    [
        ("wsld", 2, "reads one teacher, but there are 2"),
        ("born_again", 0, "reads one teacher, but there are 0"),
        ("fixed_kd", 0, "reads at least one teacher, but there are 0"),
        ("ca_mkd", 1, "reads two teachers or more, but there are 1"),
    ],
)
def test_another_number_of_teachers_is_refused(name: str, teachers: int, problem: str) -> None:
    with pytest.raises(ValueError, match=f"lane: {name} {problem}; give it as many"):
        make_cohort(name, [Trial("lane", teachers=("strong", "weak")[:teachers])])

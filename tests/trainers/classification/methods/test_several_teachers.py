"""Several-teacher rules against plain numpy and scipy, and where they equal other methods."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import entr, rel_entr
from scipy.special import softmax as np_softmax

from tests.trainers.cases import Trial, history
from tests.trainers.drawn import Drawn, drawn
from trainers.classes.losses import cross_entropy, distillation_gradient
from trainers.classification.methods.ae_kd import least_norm_weights
from trainers.classification.methods.ca_mkd import label_weights
from trainers.classification.methods.ebkd import entropy_weights
from trainers.mixing.several_teachers import SeveralTeachers

pytestmark = pytest.mark.usefixtures("double_precision")

NAMES = ("aver", "ebkd", "ca_mkd", "ae_kd")


def _expected(d: Drawn, lane: int, w: np.ndarray, alpha: float, tau: float) -> np.ndarray:
    """The mix of label and teachers with weights ``w`` (M, B), in numpy."""
    y, z, t = (x.numpy() for x in d.lane(lane))
    label = -np.log(np_softmax(z, -1)[np.arange(len(y)), y])
    p, q = np_softmax(t / tau, -1), np_softmax(z / tau, -1)
    teachers = tau**2 * rel_entr(p, np.broadcast_to(q, p.shape)).sum(-1)
    return (1 - alpha) * label + alpha * (w * teachers).sum(0)


def _weights(name: str, d: Drawn, lane: int, tau: float) -> np.ndarray:
    """w (M, B) from the formulas."""
    y, z, t = (x.numpy() for x in d.lane(lane))
    teachers, examples = t.shape[:2]
    if name == "aver":
        return np.full((teachers, examples), 1 / teachers)
    if name == "ebkd":
        h = entr(np_softmax(t, -1)).sum(-1)
        return (1 - h / h.sum(0)) / (teachers - 1)
    if name == "ca_mkd":
        loss = -np.log(np_softmax(t, -1)[:, np.arange(examples), y])
        return (1 - np_softmax(loss, 0)) / (teachers - 1)
    g = (tau * (np_softmax(z / tau, -1) - np_softmax(t / tau, -1))).mean(1)
    return np.repeat(_least_norm(g, cap=0.6)[:, None], examples, 1)


def _least_norm(g: np.ndarray, cap: float) -> np.ndarray:
    """By scipy's general-purpose solver."""
    found = minimize(
        lambda w: ((w @ g) ** 2).sum(),
        np.full(len(g), 1 / len(g)),
        jac=lambda w: 2 * g @ (w @ g),
        bounds=[(0, cap)] * len(g),
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-15, "maxiter": 500},
    )
    return np.asarray(found.x)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("teachers", [2, 3])
def test_losses_are_numpys(name: str, teachers: int) -> None:
    d = drawn(name, [{"alpha": 0.3}, {"temperature": 2.0}], teachers)
    for lane, (alpha, tau) in enumerate(((0.3, 4.0), (0.9, 2.0))):
        w = _weights(name, d, lane, tau)
        np.testing.assert_allclose(w.sum(0), 1, rtol=1e-6)
        np.testing.assert_allclose(
            d.losses()[lane], _expected(d, lane, w, alpha, tau), rtol=1e-5, atol=1e-8
        )


@pytest.mark.parametrize("name", NAMES)
def test_no_gradient_flows_through_the_weights(name: str) -> None:
    d = drawn(name, [{"alpha": 1.0, "temperature": 2.0}], teachers=3)
    z = d.z.clone().requires_grad_()
    (found,) = torch.autograd.grad(d.losses(z).sum(), z)
    method = d.method
    assert isinstance(method, SeveralTeachers)
    w = method.teacher_weights(d.step()).expand(1, 3, -1).unsqueeze(-1)
    tau = torch.full((1, 1, 1), 2.0)
    expected = (w * distillation_gradient(d.batch.targets.teachers, d.z.unsqueeze(1), tau)).sum(1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("name", NAMES)
def test_identical_teachers_are_one(name: str) -> None:
    """Whatever the weights, they add up to 1."""
    values = {"lr": 0.1, "alpha": 0.7}
    several = Trial("a", teachers=("strong", "strong"), values=values)
    found = history(name, several)
    expected = history("fixed_kd", replace(several, teachers=("strong",)))
    for row, other in zip(found, expected, strict=True):
        assert row == pytest.approx(other, rel=1e-6)


def test_aver_is_fixed_kd() -> None:
    one = Trial("a", values={"lr": 0.1, "alpha": 0.7})
    assert history("aver", one) == history("fixed_kd", one)
    two = replace(one, teachers=("strong", "weak"))
    for row, other in zip(history("aver", two), history("fixed_kd", two), strict=True):
        assert row == pytest.approx(other, rel=1e-6)


def test_a_teacher_sure_of_an_example_has_more_weight_there() -> None:
    t = torch.tensor([[[[9.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]]]])
    w = entropy_weights(t)[0, :, 0]
    assert w[0] > 0.95
    torch.testing.assert_close(entropy_weights(1e4 * t)[0, :, 0], torch.tensor([0.5, 0.5]))


def test_a_teacher_right_about_an_example_has_more_weight_there() -> None:
    t = torch.tensor([[[[9.0, 0.0, 0.0]], [[0.0, 9.0, 0.0]]]])
    y = torch.ones(1, 2, 1, dtype=torch.int64)
    w = label_weights(cross_entropy(t, y))[0, :, 0]
    assert w[1] > 0.95


@pytest.mark.parametrize("teachers", [2, 3, 5])
@pytest.mark.parametrize("cap", [0.25, 0.5, 1.0])
def test_least_norm_weights_are_scipys(teachers: int, cap: float) -> None:
    g = torch.randn(6, teachers, 8, generator=torch.Generator().manual_seed(teachers))
    g[::2] += 0.5
    found = least_norm_weights(g, torch.full((6,), cap))
    allowed = max(cap, 1 / teachers)
    assert (found >= 0).all()
    assert (found <= allowed + 1e-12).all()
    torch.testing.assert_close(found.sum(-1), torch.ones(6))
    for w, lane in zip(found.numpy(), g.numpy(), strict=True):
        best = _least_norm(lane, allowed)
        assert ((w @ lane) ** 2).sum() <= ((best @ lane) ** 2).sum() + 1e-5


def test_least_norm_weights_of_opposite_gradients_balance_them() -> None:
    g = torch.tensor([[[3.0, 0.0], [-1.0, 0.0]]])
    torch.testing.assert_close(least_norm_weights(g, torch.ones(1)), torch.tensor([[0.25, 0.75]]))
    torch.testing.assert_close(
        least_norm_weights(g, torch.tensor([0.6])), torch.tensor([[0.4, 0.6]])
    )

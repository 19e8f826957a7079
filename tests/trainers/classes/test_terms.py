"""The closed forms of a classifier's terms against what autograd makes of the terms alone."""

import math
from collections.abc import Sequence
from typing import cast, get_args

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.cases import CLASSES, Trial, make_cohort, only
from trainers.classes.terms import ClassObjective
from trainers.classification.data.lanes import LaneData
from trainers.lanes.network import Output
from trainers.lanes.values import LaneValues
from trainers.task import Goal, Part, SumOfTerms, TaskData

B, V = 9, 6
TAUS = (3.0, 0.7)
GOALS: Sequence[Goal] = get_args(Goal)

pytestmark = pytest.mark.usefixtures("double_precision")


def _data() -> tuple[LaneData, LaneValues]:
    """Two lanes of two teachers each, which differ in temperature."""
    trials = [
        Trial(f"{i}", seed=i, teachers=("strong", "weak"), values={"temperature": tau})
        for i, tau in enumerate(TAUS)
    ]
    stack = only(make_cohort("fixed_kd", trials))
    return cast(LaneData, stack.data), stack.method.values


def _logits(examples: int, seed: int = 5) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(len(TAUS), examples, CLASSES, generator=g)


def _part(data: LaneData, split: str, examples: int, goal: Goal) -> Part:
    index = torch.arange(examples).expand(len(TAUS), -1)
    weight = torch.rand(index.shape, generator=torch.Generator().manual_seed(examples))
    return Part(split, data.targets_of(split, index), goal, weight)


def _parts(data: LaneData, goal: Goal) -> list[Part]:
    """Held-out examples, and some of the training split."""
    return [_part(data, "meta", V, goal), _part(data, "train", B, goal)]


def test_terms_are_torchs() -> None:
    data, values = _data()
    z = _logits(B)
    targets = data.targets_of("train", torch.arange(B).expand(len(TAUS), -1))
    y, t = targets.labels, targets.teachers
    terms = data.terms(targets, Output(None, z), values)
    for lane, tau in enumerate(TAUS):
        label = F.cross_entropy(z[lane], y[lane], reduction="none")
        torch.testing.assert_close(terms.label[lane], label)
        for m in range(2):
            p, q = (F.log_softmax(x / tau, -1) for x in (t[lane, m], z[lane]))
            divergence = tau**2 * F.kl_div(q, p, reduction="none", log_target=True).sum(-1)
            torch.testing.assert_close(terms.teachers[lane, m], divergence)
            at_teacher = F.cross_entropy(t[lane, m], y[lane], reduction="none")
            torch.testing.assert_close(terms.label_at_teachers[lane, m], at_teacher)
    torch.testing.assert_close(terms.teacher(1), terms.teachers[:, 1])
    torch.testing.assert_close(terms.first(1), terms.label.unsqueeze(1))
    both = torch.cat([terms.label.unsqueeze(1), terms.teachers], dim=1)
    torch.testing.assert_close(terms.first(3), both)
    assert terms.uninformed == pytest.approx(math.log(CLASSES))


def test_terms_keep_their_graph_where_they_are_first_read_without_one() -> None:
    data, values = _data()
    z = _logits(B).requires_grad_()
    targets = data.targets_of("train", torch.arange(B).expand(len(TAUS), -1))
    terms = data.terms(targets, Output(None, z), values)
    with torch.no_grad():
        assert terms.label.requires_grad
        assert terms.teachers.requires_grad


@pytest.mark.parametrize("goal", GOALS)
def test_held_out_loss_is_the_sum_of_terms_up_to_a_constant(goal: Goal) -> None:
    data, values = _data()
    parts = _parts(data, goal)
    closed, terms = data.held_out(parts, values), SumOfTerms(data, tuple(parts), values)
    z, other = _logits(V + B), _logits(V + B, seed=6)
    torch.testing.assert_close(closed.gradient(z.mT), terms.gradient(z.mT))
    here, there = (closed.loss(Output(None, x)) - terms.loss(Output(None, x)) for x in (z, other))
    torch.testing.assert_close(here, there)
    if goal == "labels":
        torch.testing.assert_close(here, torch.zeros_like(here))


@pytest.mark.parametrize("goal", GOALS)
def test_held_out_loss_is_torchs(goal: Goal) -> None:
    """Divergences from the target of each goal, whose constant is the entropy of the target."""
    data, values = _data()
    parts = _parts(data, goal)
    z = _logits(V + B).requires_grad_()
    data_loss = data.held_out(parts, values).loss(Output(None, z))
    (found,) = torch.autograd.grad(data_loss.sum(), z)
    for lane, tau in enumerate(TAUS):
        leaf, losses = z[lane].detach().requires_grad_(), []
        for part, own in zip(parts, leaf.split([V, B]), strict=True):
            y, t = part.targets.labels[lane], part.targets.teachers[lane, -1]
            each = F.cross_entropy(own, y, reduction="none")
            if goal == "mixed":
                p = 0.8 * F.softmax(t, -1) + 0.2 * F.one_hot(y, CLASSES)
                each = F.kl_div(F.log_softmax(own, -1), p, reduction="none").sum(-1)
            elif goal == "teacher" and part.split == "meta":
                q, p = F.log_softmax(own / tau, -1), F.softmax(t / tau, -1)
                each = tau**2 * F.kl_div(q, p, reduction="none").sum(-1)
            losses.append((part.weight[lane] * each).sum())
        (expected,) = torch.autograd.grad(sum(losses, torch.zeros(())), leaf)
        torch.testing.assert_close(found[lane], expected)


def test_gradient_of_an_objective_is_autograds() -> None:
    g = torch.Generator().manual_seed(3)
    p = torch.randn(2, CLASSES, V, generator=g).softmax(1)
    w, s = torch.rand(2, V, generator=g), 0.5 + 3 * torch.rand(2, V, generator=g)
    objective, z = ClassObjective(p, w, s), _logits(V).requires_grad_()
    (expected,) = torch.autograd.grad(objective.loss(Output(None, z)).sum(), z)
    torch.testing.assert_close(objective.gradient(z.detach().mT), expected.mT)


def test_gradients_of_terms_are_autograds() -> None:
    data, values = _data()
    output = Output(torch.randn(len(TAUS), B, 3), _logits(B))
    targets = data.targets_of("train", torch.arange(B).expand(len(TAUS), -1))
    closed = data.term_gradients(targets, output, values)
    found = TaskData.term_gradients(data, targets, output, values)
    assert closed.logits.shape == (len(TAUS), B, 3, CLASSES)
    torch.testing.assert_close(closed.logits, found.logits)
    # No term depends on the features but through the logits.
    assert closed.features is None
    assert found.features is None


@pytest.mark.parametrize("count", [1, 2, 3])
def test_terms_along_a_tangent_are_gradients_by_it(count: int) -> None:
    data, values = _data()
    output, tangent = (Output(None, _logits(B, seed)) for seed in (5, 6))
    targets = data.targets_of("train", torch.arange(B).expand(len(TAUS), -1))
    closed = data.terms_along(targets, output, tangent, values, count)
    assert closed.shape == (len(TAUS), count, B)
    found = TaskData.terms_along(data, targets, output, tangent, values, count)
    torch.testing.assert_close(closed, found)

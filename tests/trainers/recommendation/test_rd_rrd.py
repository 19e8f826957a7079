"""RD and RRD against loops over users, and their limits."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Trial, only
from tests.trainers.recommendation.cases import drawn, lanes, likelihood, make_cohort, of_counts
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.methods.rd import ITEMS, SAMPLED
from trainers.recommendation.methods.rrd import OTHERS, order_likelihood

# Interactions of each user, all of them in training, and items; one user has all but one.
COUNTS = [8, 5, 9, 2, 7, 3, 6, 4]
USERS, NUMBER = len(COUNTS), 10

pytestmark = pytest.mark.usefixtures("double_precision")


class Problem:
    """Lanes of a method that agree in sizes, vectors that are drawn, and every user once."""

    def __init__(self, method: str, values: Sequence[Mapping[str, Any]]) -> None:
        trials = [
            Trial(f"lane-{n}", 1 + n, 0.0, ("strong", "weak")[n % 2 : n % 2 + 1], own)
            for n, own in enumerate(values)
        ]
        data = lanes(trials, of_counts(COUNTS, NUMBER))
        assert isinstance(data, InteractionLanes)
        self.data, self.values = data, values
        self.method: Any = only(make_cohort(method, trials, data)).method
        self.vectors = drawn(len(values), USERS + NUMBER, 4)
        self.lanes = torch.arange(len(values))
        self.users = torch.arange(USERS).expand(len(values), -1)

    def found(self, step: int = 1) -> Tensor:
        """What is lost, (L,)."""
        found: Tensor = self.method.distilled(self.vectors, self.users, self.lanes, step)
        return found

    def scores(self, lane: int, user: int) -> list[float]:
        """Of all items, by the student."""
        own: list[float] = (self.vectors[lane, user] @ self.vectors[lane, USERS:].mT).tolist()
        return own

    def left(self, lane: int, user: int) -> list[int]:
        """What a user has not taken in training, in the teacher's order."""
        users, items = self.data.training_of(lane)
        taken = items[users == user].tolist()
        by_teacher = self.data.teacher_scores.scores(lane, 0)[user].tolist()
        own = [i for i in range(NUMBER) if i not in taken]
        return sorted(own, key=lambda i: -by_teacher[i])


def _log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def _rd(problem: Problem, lane: int, epoch: int) -> float:
    """What RD loses in one lane, by a loop."""
    own, lost = problem.values[lane], []
    for user in range(USERS):
        order, scores = problem.left(lane, user)[: own["top"]], problem.scores(lane, user)
        weights = [math.exp(-r / own["position_scale"]) for r in range(1, len(order) + 1)]
        weights = [w / sum(weights) for w in weights]
        if own["dynamic_from"] <= epoch:
            ranks = _student_ranks(problem, lane, user, [scores[i] for i in order])
            moved = [
                max(0.0, math.tanh(own["dynamic_scale"] * (rank - r)))
                for r, rank in enumerate(ranks, 1)
            ]
            weights = [w * m for w, m in zip(weights, moved, strict=True)]
            weights = [w / (sum(weights) or 1.0) for w in weights]
        lost.append(sum(-w * _log_sigmoid(scores[i]) for w, i in zip(weights, order, strict=True)))
    return float(np.mean(lost))


def _student_ranks(problem: Problem, lane: int, user: int, of: list[float]) -> list[int]:
    """About which ranks the student gives to such scores, by the items that are drawn."""
    x = problem.method.drawn(torch.tensor([lane]), 1, ITEMS, (USERS, SAMPLED))[0, user]
    others = sorted(problem.left(lane, user))
    scores = problem.scores(lane, user)
    first = [divmod(number * NUMBER, 1) for number in x.tolist()]
    # An item that the user has is another, by what is behind the point.
    sampled = [
        scores[int(item) if int(item) in others else others[int(rest * len(others))]]
        for item, rest in first
    ]
    above = [sum(other > score for other in sampled) for score in of]
    return [(NUMBER - 1) * count // SAMPLED + 1 for count in above]


RD: Sequence[Mapping[str, Any]] = (
    {"top": 6, "position_scale": 1.0, "dynamic_from": 100, "dynamic_scale": 0.1},
    {"top": 6, "position_scale": 5.0, "dynamic_from": 3, "dynamic_scale": 0.1},
    {"top": 6, "position_scale": 2.0, "dynamic_from": 2, "dynamic_scale": 1.5},
)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_rd_loses_what_a_loop_does(epoch: int) -> None:
    """Of users with fewer items than are asked for too, and of lanes that are in turn dynamic."""
    problem = Problem("rd", RD)
    problem.method.begin_epoch(epoch, None, torch.ones(len(RD)))
    found = problem.found()
    assert found.tolist() == pytest.approx([_rd(problem, n, epoch) for n in range(len(RD))])


def test_a_rank_is_one_more_than_the_share_of_items_above_in_whole_numbers() -> None:
    """Of 101 items, by the hundred that are drawn: one more than how many of these are above."""
    trial = Trial("a", 1, 0.0)
    data = lanes([trial], of_counts([9, 5], 101))
    method: Any = only(make_cohort("rd", [trial], data)).method
    vectors, user, lane = drawn(1, 103, 4), torch.tensor([[1]]), torch.tensor([0])
    scores = (vectors[0, 1] @ vectors[0, 2:].mT).sort(descending=True).values
    found = method._student_ranks(vectors, user, lane, scores.view(1, 1, -1), 1)
    x = method.drawn(lane, 1, ITEMS, (1, SAMPLED))
    sampled = method.scores(vectors, user, data.unseen.of(user, x))[0, 0]
    above = (sampled > scores.unsqueeze(1)).sum(1)
    assert found[0, 0].tolist() == (1 + above).tolist()
    # Products of fractions would be just below.
    assert {29, 57, 58} & set(above.tolist())


def test_rd_loses_nothing_where_the_student_ranks_as_well_as_the_teacher() -> None:
    """No item has a better score than those that the teacher puts first."""
    values = {"top": 5, "position_scale": 1.0, "dynamic_from": 1, "dynamic_scale": 1.0}
    problem = Problem("rd", [values])
    problem.method.begin_epoch(1, None, torch.ones(1))
    vectors = torch.zeros(1, USERS + NUMBER, USERS)
    vectors[0, :USERS] = torch.eye(USERS)
    for user in range(USERS):
        vectors[0, [USERS + item for item in problem.left(0, user)[:5]], user] = 10.0
    problem.vectors = vectors.requires_grad_()
    lost = problem.found()
    assert lost.detach().tolist() == [0.0]
    (gradient,) = torch.autograd.grad(lost.sum(), problem.vectors)
    assert gradient.count_nonzero() == 0


@pytest.mark.parametrize("scale", [1e-3, 1e-9])
def test_rd_over_few_ranks_is_of_the_teachers_first_item(scale: float) -> None:
    for dtype in (torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        problem = Problem("rd", [{**RD[0], "position_scale": scale}])
        expected = np.mean(
            [-_log_sigmoid(problem.scores(0, u)[problem.left(0, u)[0]]) for u in range(USERS)]
        )
        assert problem.found().tolist() == pytest.approx([expected], rel=1e-5)


RRD: Sequence[Mapping[str, Any]] = ({"top": 6, "others": 4}, {"top": 6, "others": 4})


def _rrd(problem: Problem, lane: int) -> float:
    """What RRD loses in one lane, by a loop."""
    top, others = problem.values[lane]["top"], problem.values[lane]["others"]
    drawn_numbers = problem.method.drawn(torch.tensor([lane]), 1, OTHERS, (USERS, others))[0]
    lost = []
    for user in range(USERS):
        order, scores = problem.left(lane, user), problem.scores(lane, user)
        first = min(top, len(order) - 1)
        if first < 1:
            continue
        rest = order[first:]
        after = [scores[rest[int(x * len(rest))]] for x in drawn_numbers[user].tolist()]
        each = []
        for k in range(first):
            onward = [scores[i] for i in order[k:first]] + after
            each.append(scores[order[k]] - math.log(sum(map(math.exp, onward))))
        lost.append(-np.mean(each))
    return float(np.mean(lost))


def test_rrd_loses_what_a_loop_does() -> None:
    """Of users with fewer items than are put in order, and of one who has but one left."""
    problem = Problem("rrd", RRD)
    assert problem.found().tolist() == pytest.approx([_rrd(problem, n) for n in range(2)])


@pytest.mark.parametrize("method", ["rd", "rrd", "unkd"])
def test_a_user_with_one_item_left_is_asked_as_far_as_it_can_be(method: str) -> None:
    """RD has one item of it; where an order is distilled it counts nothing."""
    trial = Trial("a", 1, 0.0, values={"users": 8})
    dataset = of_counts([9, 4, 5], 10)
    data = lanes([trial], dataset)
    of_method: Any = only(make_cohort(method, [trial], data)).method
    vectors = drawn(1, 13, 4).requires_grad_()
    lost = of_method.distilled(vectors, torch.tensor([[0]]), torch.tensor([0]), 1)
    (gradient,) = torch.autograd.grad(lost.sum(), vectors)
    assert torch.isfinite(gradient).all()
    if method != "rd":
        assert lost.detach().tolist() == [0.0]
        assert gradient.count_nonzero() == 0
        return
    (item,) = set(range(10)) - set(data.training_of(0)[1][data.training_of(0)[0] == 0].tolist())
    score = float((vectors[0, 0] @ vectors[0, 3 + item]).detach())
    assert float(lost.detach()) == pytest.approx(-_log_sigmoid(score))


def test_others_of_rrd_are_each_as_likely() -> None:
    problem = Problem("rrd", [{"top": 3, "others": 4000}])
    asked: list[Tensor] = []
    scores = problem.method.scores

    def watched(vectors: Tensor, users: Tensor, items: Tensor) -> Tensor:
        asked.append(items)
        found: Tensor = scores(vectors, users, items)
        return found

    problem.method.scores = watched
    problem.found(1)
    problem.found(2)
    assert not torch.equal(*asked)
    for user in (1, 3, 7):
        order = problem.left(0, user)
        assert asked[0][0, user, :3].tolist() == order[:3]
        counts = torch.bincount(asked[0][0, user, 3:], minlength=NUMBER)
        rest = order[3:]
        assert counts[rest].sum() == 4000
        assert likelihood(counts[rest].tolist(), [4000 / len(rest)] * len(rest)) > 1e-3


def _log_likelihood(order: Sequence[int], scores: Tensor, others: Tensor) -> float:
    """Of an order of some items before others, as a sum over its places."""
    ordered = scores[list(order)].view(1, 1, -1)
    there = torch.ones_like(ordered, dtype=torch.bool)
    mean = order_likelihood(ordered, others.view(1, 1, -1), there)
    return len(order) * float(mean)


@pytest.mark.parametrize("top", [1, 2, 3, 4])
def test_likelihoods_of_all_orders_of_so_many_items_add_up_to_one(top: int) -> None:
    """Plackett's and Luce's law: the first so many of five items, in whichever order, before the
    others."""
    scores = 2 * drawn(5)
    total = 0.0
    for order in itertools.permutations(range(5), top):
        others = torch.tensor([i for i in range(5) if i not in order])
        total += math.exp(_log_likelihood(order, scores, scores[others]))
    assert total == pytest.approx(1)


def test_a_likelihood_is_the_probability_of_drawing_one_after_the_other() -> None:
    scores = drawn(6)
    weight = scores.exp().tolist()
    left, expected = sum(weight), 1.0
    for item in (4, 0, 3):
        expected *= weight[item] / left
        left -= weight[item]
    found = _log_likelihood((4, 0, 3), scores, scores[[1, 2, 5]])
    assert math.exp(found) == pytest.approx(expected)


def test_places_that_are_not_there_change_nothing_and_have_finite_gradients() -> None:
    ordered, others = drawn(1, 2, 4).requires_grad_(), drawn(1, 2, 3, seed=1)
    there = torch.tensor([[[True, True, False, False], [False] * 4]])
    found = order_likelihood(ordered, others, there)
    own = order_likelihood(ordered[:, :1, :2], others[:, :1], there[:, :1, :2])
    torch.testing.assert_close(found[0, 0], own[0, 0])
    assert found[0, 1] == 0
    (gradient,) = torch.autograd.grad(found.sum(), ordered)
    assert torch.isfinite(gradient).all()
    assert gradient[~there].count_nonzero() == 0


def test_the_likelihoods_gradient_is_its_derivative() -> None:
    ordered, others = drawn(1, 3, 4).requires_grad_(), drawn(1, 3, 2, seed=1).requires_grad_()
    there = torch.tensor([[[True] * 4, [True] * 3 + [False], [True] + [False] * 3]])
    assert torch.autograd.gradcheck(lambda s, o: order_likelihood(s, o, there), (ordered, others))

"""UnKD: which pairs are drawn and how often, what is lost on them, and its limits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from tests.trainers.cases import Diary, Trial, only, step, weights
from tests.trainers.recommendation.cases import (
    ITEMS,
    lanes,
    likelihood,
    make_cohort,
    of_counts,
    teacher_scores,
    usual,
)
from trainers.loop.stack import Stack
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.data.popularity import popularity_groups
from trainers.recommendation.methods.unkd import UnKd, chosen, rank
from trainers.task import KeptOutputs

USERS = 12


def _stack(
    values: Sequence[Mapping[str, Any]],
    dataset: Any = None,
    outputs: dict[str, KeptOutputs] | None = None,
) -> Stack:
    """A lane for each of these, all of one seed."""
    trials = [Trial(f"lane-{n}", 1, values=own) for n, own in enumerate(values)]
    return only(make_cohort("unkd", trials, lanes(trials, dataset, outputs=outputs)))


def _pairs(stack: Stack, users: Tensor, at: int = 1) -> tuple[Tensor, Tensor]:
    assert isinstance(stack.method, UnKd)
    return stack.method.pairs(users, torch.arange(len(users)), at)


def _order(data: InteractionLanes, lane: int, user: int, group: int, groups: int) -> list[int]:
    """The teacher's, of what a user has not taken of a group."""
    users, items = data.training_of(lane)
    taken, scores = items[users == user].tolist(), data.teacher_scores.scores(lane, 0)[user]
    of_item = popularity_groups(data.counts(lane), groups)
    own = [i for i in range(len(scores)) if i not in taken and (groups == 1 or of_item[i] == group)]
    return sorted(own, key=lambda i: -float(scores[i]))


@pytest.mark.parametrize("groups", [1, 2, 5])
def test_pairs_are_of_one_group_and_of_nothing_that_a_user_took_the_better_first(
    groups: int,
) -> None:
    stack = _stack([{"groups": groups, "pairs": 50, "rank_scale": 5.0}])
    data = stack.data
    assert isinstance(data, InteractionLanes)
    users = torch.arange(USERS).unsqueeze(0)
    items, there = _pairs(stack, users)
    assert items.shape == (1, USERS, 50, 2)
    assert there.all()
    for user in range(USERS):
        orders = [_order(data, 0, user, group, groups) for group in range(groups)]
        seen = set()
        for better, worse in items[0, user].tolist():
            (own,) = [order for order in orders if better in order]
            assert own.index(better) < own.index(worse)
            seen.add(orders.index(own))
        # Those with two items or more are all drawn of.
        assert seen == {g for g, order in enumerate(orders) if len(order) > 1}


def test_ranks_are_drawn_by_the_law_given_that_they_differ() -> None:
    """Both, of a user by itself; groups with two items or more are as likely as each other."""
    dataset = of_counts([14, 12, 16, 11], 22)
    values = {"groups": 3, "pairs": 1000, "rank_scale": 2.0}
    stack = _stack([values], dataset)
    data = stack.data
    assert isinstance(data, InteractionLanes)
    user = 1
    drawn = [_pairs(stack, torch.full((1, 5), user), at)[0].view(-1, 2) for at in range(1, 4)]
    orders = [_order(data, 0, user, group, 3) for group in range(3)]
    usable = [order for order in orders if len(order) > 1]
    assert len(usable) > 1
    found, expected = [], []
    every = [tuple(pair) for pair in torch.cat(drawn).tolist()]
    for order in usable:
        p = np.exp(-np.arange(1, len(order) + 1) / 2.0)
        both = np.triu(np.outer(p, p), 1)
        law = both / both.sum() / len(usable)
        for better in range(len(order)):
            for worse in range(better + 1, len(order)):
                found.append(every.count((order[better], order[worse])))
                expected.append(law[better, worse] * len(every))
    assert sum(found) == len(every)
    assert likelihood(found, expected) > 1e-3


@pytest.mark.parametrize(("size", "scale"), [(2, 1.0), (7, 3.0), (60, 20.0)])
def test_one_rank_has_the_law_that_falls_by_e(size: int, scale: float) -> None:
    x = torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = rank(x, torch.full(x.shape, size), torch.tensor(scale, dtype=torch.float64))
    counts = torch.bincount(found, minlength=size)
    assert len(counts) == size
    p = np.exp(-np.arange(size) / scale)
    expected = len(x) * p / p.sum()
    assert likelihood(counts.tolist(), expected) > 1e-3


@pytest.mark.parametrize("scale", [1.0, 20.0, 1e4, 1e9])
def test_ranks_are_within_their_sizes_at_the_ends(scale: float) -> None:
    x = torch.tensor([0.0, 1 - 2.0**-53], dtype=torch.float64)
    assert rank(x, torch.tensor([1, 1]), torch.tensor(scale).double()).tolist() == [0, 0]
    for size in (2, 1000):
        found = rank(x, torch.tensor([size, size]), torch.tensor(scale, dtype=torch.float64))
        assert found[0] == 0
        assert 0 < found[1] < size


def test_each_usable_group_is_as_likely() -> None:
    usable = torch.tensor([[[True, False, True, True], [False, False, False, True], [False] * 4]])
    x = torch.arange(600, dtype=torch.float64).expand(1, 3, -1) / 600
    found = chosen(usable, x)[0]
    assert torch.bincount(found[0], minlength=4).tolist() == [200, 0, 200, 200]
    assert (found[1] == 3).all()
    assert (found[2] == 0).all()


def _kd(stack: Stack, lane: int, users: Tensor, at: int, vectors: Tensor) -> float:
    """What is lost of the order on the pairs of a lane's users (Q,), by a loop."""
    pairs = _pairs_of_lane(stack, lane, users, at)
    lost = []
    for user, own in zip(users.tolist(), pairs, strict=True):
        scores = vectors[lane, :USERS][user] @ vectors[lane, USERS:].mT
        each = [float(torch.log(1 + torch.exp(scores[w] - scores[b]))) for b, w in own.tolist()]
        lost.append(np.mean(each))
    return float(np.mean(lost))


def _pairs_of_lane(stack: Stack, lane: int, users: Tensor, at: int) -> Tensor:
    assert isinstance(stack.method, UnKd)
    items, there = stack.method.pairs(users.unsqueeze(0), torch.tensor([lane]), at)
    assert there.all()
    return items[0]


def test_what_is_lost_is_the_label_and_the_mean_over_users_and_pairs(
    double_precision: None,
) -> None:
    """Of lanes of several sizes, each with its own weight."""
    values = [
        {"groups": 2, "pairs": 3, "users": 5, "kd_weight": 0.7},
        {"groups": 1, "pairs": 4, "users": 8, "kd_weight": 2.0},
        {"groups": 4, "pairs": 3, "users": 5, "kd_weight": 0.1},
    ]
    stack = _stack(values)
    method = stack.method
    assert isinstance(method, UnKd)
    asked: dict[int, Tensor] = {}
    pairs = method.pairs

    def watched(users: Tensor, at: Tensor, number: int) -> tuple[Tensor, Tensor]:
        asked.update({int(lane): own for lane, own in zip(at, users, strict=True)})
        return pairs(users, at, number)

    for number in (1, 2):
        method.pairs = watched  # type: ignore[method-assign]
        found = step(stack, stack.data.training_batch(torch.arange(6).expand(3, -1)))
        with torch.no_grad():
            more = method.losses(found) - found.terms.label
            vectors = torch.cat([stack.model.users, stack.model.items], dim=1)
        method.pairs = pairs  # type: ignore[method-assign]
        for lane, own in enumerate(values):
            assert asked[lane].shape == (own["users"],)
            expected = own["kd_weight"] * _kd(stack, lane, asked[lane], number, vectors)
            assert more[lane].tolist() == pytest.approx([expected] * 6)


def test_users_of_a_step_are_each_as_likely() -> None:
    stack = _stack([{"users": 3000, "pairs": 1}])
    asked = []
    assert isinstance(stack.method, UnKd)
    stack.method.distilled = (  # type: ignore[method-assign]
        lambda vectors, users, lanes, step: asked.append(users) or torch.zeros(1)
    )
    for _ in range(2):
        batch = stack.data.training_batch(torch.arange(6).unsqueeze(0))
        stack.method.losses(step(stack, batch))
    assert not torch.equal(*asked)
    counts = torch.bincount(torch.cat(asked).flatten(), minlength=USERS)
    assert stats.chisquare(counts).pvalue > 1e-3


def _losses(stack: Stack) -> Tensor:
    batch = stack.data.training_batch(torch.arange(6).expand(len(stack.names), -1))
    return stack.method.losses(step(stack, batch)).detach()


@pytest.mark.parametrize(("groups", "alike"), [(1, False), (2, True), (3, True)])
def test_a_function_of_each_group_that_rises_changes_nothing(groups: int, alike: bool) -> None:
    """Such as a constant for each, which of one group changes the order."""
    values, plain = [{"groups": groups}], teacher_scores(usual())
    data = _stack(values).data
    assert isinstance(data, InteractionLanes)
    of_item = popularity_groups(data.counts(0), 3 if groups == 1 else groups)
    scores = plain["strong"]["scores"]
    changed = (np.exp(scores) + 40 * of_item).astype(np.float32)
    stacks = [_stack(values, outputs={"strong": {"scores": s}}) for s in (scores, changed)]
    first, second = (_losses(stack) for stack in stacks)
    assert torch.equal(first, second) == alike
    # Whatever rises for all items alike changes nothing anyhow.
    alike_for_all = _stack(values, outputs={"strong": {"scores": np.exp(scores)}})
    assert torch.equal(_losses(alike_for_all), first)


def test_of_one_group_all_that_a_user_has_not_taken_is_in_the_order() -> None:
    """Plain distillation of the teacher's order, items that nobody took among it."""
    stack = _stack([{"groups": 1, "pairs": 500, "rank_scale": 1000.0}])
    data = stack.data
    assert isinstance(data, InteractionLanes)
    items, _ = _pairs(stack, torch.arange(USERS).unsqueeze(0))
    for user in range(USERS):
        users, taken = data.training_of(0)
        own = set(taken[users == user].tolist())
        assert set(items[0, user].flatten().tolist()) == set(range(ITEMS)) - own


def test_groups_with_fewer_than_two_items_have_no_pairs(double_precision: None) -> None:
    """Of every user, however few are left of a group; one who has none with two counts nothing."""
    # What each user took of eight items, in two groups of four.
    # They have too few to be tested, so that all is in training.
    taken = [[0, 1, 2, 3, 4, 5, 6], [0, 2, 4, 6], [0, 1, 2, 3], [1, 3, 5, 7]]
    users = np.repeat(np.arange(4), [len(own) for own in taken])
    pairs = users, np.concatenate(taken).astype(np.int64)
    dataset = of_counts([2] * 4, 8)
    dataset = type(dataset)(*pairs, dataset.user_ids, dataset.item_ids)
    scores = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    trial = [Trial("a", 1, 0.0, values={"groups": 2, "pairs": 6})]
    data = lanes(trial, dataset, outputs={"strong": {"scores": scores}})
    stack = only(make_cohort("unkd", trial, data))
    of_item = popularity_groups(data.counts(0), 2)
    left = [np.bincount(np.delete(of_item, own), minlength=2).tolist() for own in taken]
    assert {0, 1, 2} <= {count for counts in left for count in counts}
    usable = [[group for group in range(2) if counts[group] > 1] for counts in left]
    assert usable[0] == []
    assert all(usable[1:])
    everyone = torch.arange(4).unsqueeze(0)
    items, there = _pairs(stack, everyone)
    assert there[0].tolist() == [False, True, True, True]
    for user in (1, 2, 3):
        drawn = {of_item[i] for i in items[0, user].flatten().tolist()}
        assert drawn <= set(usable[user])
    assert isinstance(stack.method, UnKd)
    vectors = torch.cat([stack.model.users, stack.model.items], dim=1)
    found = stack.method.distilled(vectors, everyone, torch.tensor([0]), 1)
    first = stack.method.distilled(vectors, everyone[:, :1], torch.tensor([0]), 1)
    assert first.detach().tolist() == [0.0]
    lost = []
    for user in (1, 2, 3):
        own = vectors[0, user] @ vectors[0, 4:].mT
        each = [torch.log1p(torch.exp(own[w] - own[b])) for b, w in items[0, user].tolist()]
        lost.append(torch.stack(each).mean())
    torch.testing.assert_close(found[0], torch.stack(lost).mean())
    (gradient,) = torch.autograd.grad(first.sum(), stack.model.users)
    assert gradient.count_nonzero() == 0


def test_a_teacher_that_ranks_as_the_student_does_only_spreads_scores(
    double_precision: None,
) -> None:
    stack = _stack([{"groups": 1}])
    model = stack.model
    with torch.no_grad():
        scores = (model.users[0] @ model.items[0].mT).numpy()
    stack = _stack([{"groups": 1}], outputs={"strong": {"scores": scores}})
    method = stack.method
    assert isinstance(method, UnKd)
    scale = torch.tensor(1.0, requires_grad=True)
    vectors = torch.cat([scale * stack.model.users, stack.model.items], dim=1)
    lost = method.distilled(vectors, torch.arange(USERS).unsqueeze(0), torch.tensor([0]), 1)
    (gradient,) = torch.autograd.grad(lost.sum(), scale)
    assert gradient < 0


@pytest.mark.parametrize("method", ["unkd", "rd", "rrd"])
def test_no_weight_on_the_order_is_the_label_alone(method: str) -> None:
    """A whole training, to the last bit, of lanes beside one that hears the teacher."""
    mix = [{"lr": 0.02, "weight_decay": 0.05}, {"lr": 0.03}]
    bare = [Trial(f"lane-{n}", 1 + n, values=own) for n, own in enumerate(mix)]
    with_order = [
        Trial(t.name, t.seed, values={**t.values, "kd_weight": 0.0, "users": 6}) for t in bare
    ]
    hears = Trial("hears", 1, values={**mix[0], "kd_weight": 1.0, "users": 6})
    expected, found = make_cohort("labels_only", bare), make_cohort(method, [*with_order, hears])
    diaries = Diary(), Diary()
    expected.train(diaries[0])
    found.train(diaries[1])
    for trial in bare:
        assert diaries[1].rows[trial.name] == diaries[0].rows[trial.name]
        own, other = weights(expected, trial.name), weights(found, trial.name)
        assert all(torch.equal(other[name], t) for name, t in own.items())
    assert diaries[1].rows["hears"] != diaries[0].rows["lane-0"]

"""Items that users have not taken, against sets."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from trainers.recommendation.data.unseen import Unseen

USERS, ITEMS = 7, 11
# Items of every user: of none, of all but one, of few and many.
COUNTS = (0, ITEMS - 1, 1, 4, 0, 9, 3)


def _taken(seed: int) -> list[set[int]]:
    """Of each user of a lane, as many as `COUNTS` says."""
    rng = np.random.default_rng(seed)
    return [set(rng.choice(ITEMS, n, replace=False).tolist()) for n in COUNTS]


def _unseen(lanes: list[list[set[int]]], seed: int = 0) -> Unseen:
    """Of lanes of sets, whose pairs come in an order that is drawn; lanes that are equal share."""
    rng = np.random.default_rng(seed)
    distinct = [lane for n, lane in enumerate(lanes) if lane not in lanes[:n]]
    pairs = [
        rng.permutation([(u, i) for u, items in enumerate(lane) for i in items])
        for lane in distinct
    ]
    users, items = torch.as_tensor(np.stack(pairs)).unbind(2)
    which = torch.tensor([distinct.index(lane) for lane in lanes])
    return Unseen(users, items, which, (USERS, ITEMS))


def _everything(unseen: Unseen, lanes: int, draws: int) -> Tensor:
    """Of every user, items at numbers that go evenly through [0, 1): (lanes, USERS, draws)."""
    users = torch.arange(USERS).expand(lanes, -1)
    x = (torch.arange(draws, dtype=torch.float64) / draws).expand(lanes, USERS, -1)
    return unseen.of(users, x)


def _expected(taken: set[int], number: float) -> int:
    """The item at a number, or, where that is taken, the one at what is behind its point."""
    rest, item = math.modf(number * ITEMS)
    left = sorted(set(range(ITEMS)) - taken)
    return int(item) if int(item) in left else left[int(rest * len(left))]


@pytest.mark.parametrize("seed", range(5))
def test_every_item_that_is_left_has_an_equal_part_of_the_interval(seed: int) -> None:
    lanes = [_taken(10 * seed + lane) for lane in range(3)]
    unseen = _unseen(lanes, seed)
    for lane, taken in enumerate(lanes):
        for user, own in enumerate(taken):
            left = sorted(set(range(ITEMS)) - own)
            assert int(unseen.counts[lane, user]) == len(left)
            # In the middle of equal parts, of which each item at first, and of each of these each
            # that is left, has as many.
            count = ITEMS * len(left)
            x = (torch.arange(count, dtype=torch.float64) + 0.5) / count
            users = torch.full((len(lanes), 1), user)
            found = unseen.of(users, x.expand(len(lanes), 1, -1))[lane, 0]
            assert torch.bincount(found, minlength=ITEMS)[left].tolist() == [ITEMS] * len(left)


def test_users_may_come_in_any_order_and_twice() -> None:
    lanes = [_taken(lane) for lane in range(2)]
    unseen = _unseen(lanes)
    rng = np.random.default_rng(1)
    users, x = (
        torch.as_tensor(rng.integers(USERS, size=(2, 50))),
        torch.as_tensor(rng.random((2, 50))),
    )
    found = unseen.of(users, x)
    assert found.shape == (2, 50)
    for lane, taken in enumerate(lanes):
        for user, number, item in zip(users[lane], x[lane], found[lane], strict=True):
            assert int(item) == _expected(taken[int(user)], float(number))


def test_the_ends_of_the_interval_give_items_that_are_left() -> None:
    taken = _taken(4)
    unseen = _unseen([taken])
    ends = torch.tensor([0.0, 1 - 2.0**-53], dtype=torch.float64).expand(1, USERS, 2)
    for own, found in zip(taken, unseen.of(torch.arange(USERS).unsqueeze(0), ends)[0], strict=True):
        assert found.tolist() == [_expected(own, float(end)) for end in ends[0, 0]]
        assert not own & set(found.tolist())


def test_each_is_as_likely() -> None:
    taken = _taken(2)
    unseen = _unseen([taken])
    x = torch.rand(1, USERS, 5000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    found = unseen.of(torch.arange(USERS).unsqueeze(0), x)[0]
    for own, drawn in zip(taken, found, strict=True):
        counts = torch.bincount(drawn, minlength=ITEMS).numpy()
        assert counts[list(own)].sum() == 0
        left = np.delete(counts, list(own))
        assert len(left) == 1 or stats.chisquare(left).pvalue > 1e-3


def test_lanes_are_cut_out_and_may_share_what_they_took() -> None:
    lanes = [_taken(0), _taken(1), _taken(0)]
    unseen, at = _unseen(lanes), torch.tensor([2, 1])
    expected = _everything(unseen, 3, 100)
    assert torch.equal(_everything(unseen.keep(at), 2, 100), expected[at])
    assert torch.equal(unseen.keep(at).counts, unseen.counts[at])
    alike = [_taken(0)] * 3
    assert torch.equal(_everything(_unseen(alike), 3, 100), expected[:1].expand(3, -1, -1))
    one_left = _unseen(alike).keep(torch.tensor([1]))
    assert torch.equal(_everything(one_left, 1, 100), expected[:1])


def test_a_lane_without_interactions_has_all_items_left() -> None:
    empty = torch.zeros(1, 0, dtype=torch.int64)
    unseen = Unseen(empty, empty, torch.zeros(1, dtype=torch.int64), (2, 3))
    x = torch.tensor([[[0.1, 0.5, 0.9]] * 2], dtype=torch.float64)
    assert unseen.of(torch.tensor([[0, 1]]), x).tolist() == [[[0, 1, 2]] * 2]

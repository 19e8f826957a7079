"""Groups of items by popularity, and a teacher's order of what users have not taken."""

import numpy as np
import pytest
import torch

from tests.trainers.cases import Trial
from tests.trainers.recommendation.cases import lanes, of_counts, teacher_scores
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.data.popularity import NONE, popularity_groups
from trainers.recommendation.methods.rankings import Rankings

TRIALS = [
    Trial("a", 1), Trial("b", 1, teachers=("weak",)), Trial("c", 2), Trial("d", 1), Trial("e", 1),
]  # fmt: skip
GROUPS = [1, 4, 2, 4, 1]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("groups", [1, 2, 5, 40])
def test_groups_part_what_was_taken_into_equal_shares_of_it(seed: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.geometric(0.05, size=30) * (rng.random(30) < 0.8)
    found = popularity_groups(counts, groups)
    assert set(found[counts == 0]) <= {NONE}
    taken = found[counts > 0]
    assert 0 <= taken.min() <= taken.max() < groups
    # The most popular first, of equally popular ones the first.
    order = np.lexsort((np.arange(30), -counts))[: len(taken)]
    assert (np.diff(found[order]) >= 0).all()
    for group in range(groups):
        of_group = counts[found == group].sum()
        assert abs(of_group - counts.sum() / groups) <= counts.max()


def test_groups_by_hand() -> None:
    counts = np.array([1, 6, 0, 3, 3, 1, 2])
    # Before each, from the most popular: 0, 6, 9, 12, 14, 15 of 16.
    assert popularity_groups(counts, 2).tolist() == [1, 0, NONE, 0, 1, 1, 1]
    assert popularity_groups(counts, 4).tolist() == [3, 0, NONE, 1, 2, 3, 3]
    assert popularity_groups(counts, 1).tolist() == [0, 0, NONE, 0, 0, 0, 0]
    assert popularity_groups(np.zeros(3, np.int64), 2).tolist() == [NONE] * 3


def _all_items(rankings: Rankings, lane: int, user: int, group: int) -> list[int]:
    """Those of a group for one user of a lane, in their order."""
    at, of_user = torch.tensor([lane]), torch.tensor([[user]])
    count = int(rankings.sizes(of_user, at)[0, 0, group])
    place = torch.arange(count).view(1, 1, -1)
    return rankings.items(of_user, at, torch.full_like(place, group), place)[0, 0].tolist()


def _expected(data: InteractionLanes, lane: int, user: int, group: int, groups: int) -> list[int]:
    """The same by a sort of the teacher's scores."""
    users, items = data.training_of(lane)
    taken = set(items[users == user].tolist())
    scores = data.teacher_scores.scores(lane, 0)[user].tolist()
    of_item = popularity_groups(data.counts(lane), groups)
    own = [i for i in range(len(scores)) if i not in taken and (groups == 1 or of_item[i] == group)]
    return sorted(own, key=lambda i: -scores[i])


def _data(dataset: Interactions | None = None) -> InteractionLanes:
    """With a teacher that gives some items equal scores."""
    dataset = dataset or of_counts([12, 15, 11, 18, 3, 20], 25)
    outputs = {k: {"scores": v["scores"].round(1)} for k, v in teacher_scores(dataset).items()}
    return lanes(TRIALS, dataset, outputs=outputs)


def test_items_stand_as_the_teacher_has_them_group_by_group() -> None:
    data = _data()
    rankings = Rankings.of(data, GROUPS)
    never = [(data.counts(lane) == 0).any() for lane in range(len(TRIALS))]
    assert all(never)
    for lane, groups in enumerate(GROUPS):
        for user in range(data.dataset.shape[0]):
            found = [_all_items(rankings, lane, user, group) for group in range(max(GROUPS))]
            for group in range(groups):
                assert found[group] == _expected(data, lane, user, group, groups)
            # A group that a lane has not is empty.
            assert found[groups:] == [[]] * (max(GROUPS) - groups)


def test_lanes_with_one_teacher_and_draw_and_number_of_groups_share_an_order() -> None:
    data = _data()
    rankings = Rankings.of(data, GROUPS)
    assert rankings.which.tolist() == [0, 1, 2, 3, 0]
    at = torch.tensor([4, 2])
    kept = rankings.keep(at)
    for place, lane in enumerate(at.tolist()):
        for user, group in ((0, 0), (3, 1)):
            expected = _all_items(rankings, lane, user, group)
            assert _all_items(kept, place, user, group) == expected


def test_what_users_are_asked_about_at_once_is_what_each_is_asked_about() -> None:
    data, rng = _data(), np.random.default_rng(0)
    rankings, at = Rankings.of(data, GROUPS), torch.tensor([3, 1])
    users = torch.as_tensor(rng.integers(data.dataset.shape[0], size=(2, 9)))
    sizes = rankings.sizes(users, at)
    group = torch.as_tensor(rng.integers(4, size=(2, 9, 5)))
    most = sizes.gather(2, group)
    place = (torch.as_tensor(rng.random((2, 9, 5))) * most).long()
    items = rankings.items(users, at, group, place)
    for row, lane in enumerate(at.tolist()):
        for q, user in enumerate(users[row].tolist()):
            for s in range(5):
                own = _all_items(rankings, lane, user, int(group[row, q, s]))
                assert len(own) == int(most[row, q, s])
                if own:
                    assert int(items[row, q, s]) == own[int(place[row, q, s])]


def test_a_function_of_each_group_that_rises_changes_no_order_within() -> None:
    dataset = of_counts([12, 15, 11, 18, 3, 20], 25)
    trial, plain = [Trial("a", 1)], teacher_scores(dataset)
    data = lanes(trial, dataset, outputs=plain)
    popular = popularity_groups(data.counts(0), 2) == 0
    scores = plain["strong"]["scores"]
    moved = np.where(popular, np.exp(scores) - 20, 3 * scores + 1).astype(np.float32)
    other = lanes(trial, dataset, outputs={"strong": {"scores": moved}})
    for groups, alike in ((2, True), (1, False)):
        rankings = [Rankings.of(d, [groups]) for d in (data, other)]
        found = [
            [_all_items(r, 0, user, group) for user in range(6) for group in range(groups)]
            for r in rankings
        ]
        assert (found[0] == found[1]) == alike

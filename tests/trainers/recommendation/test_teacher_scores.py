"""What is kept of teachers: standardised per user, of every lane's own."""

import numpy as np
import pytest
import torch

from tests.trainers.recommendation.cases import CPU, drawn
from trainers.recommendation.data import dataset
from trainers.recommendation.data.teacher_scores import TeacherScores, kept, spread

USERS, ITEMS, TAKEN = 5, 9, 14
NAMES = ("first", "second", "third")

pytestmark = pytest.mark.usefixtures("double_precision")


def _interactions(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Users and items of different pairs, (TAKEN,) each; the last user has all but one item."""
    rng = np.random.default_rng(seed)
    few = rng.choice((USERS - 1) * ITEMS, TAKEN - ITEMS + 1, replace=False)
    many = (USERS - 1) * ITEMS + rng.permutation(ITEMS)[:-1]
    pairs = torch.as_tensor(rng.permutation(np.concatenate([few, many])))
    return pairs // ITEMS, pairs % ITEMS


def _scores() -> dict[str, dict[str, np.ndarray]]:
    shape = (len(NAMES), USERS, ITEMS)
    each = 3 * drawn(*shape).numpy() + np.arange(len(NAMES)).reshape(-1, 1, 1)
    return {name: {"scores": own} for name, own in zip(NAMES, each, strict=True)}


def _lanes(taught_by: list[tuple[str, ...]]) -> TeacherScores:
    """Of lanes that took each other things."""
    found = TeacherScores(_scores(), taught_by, CPU)
    taken = [_interactions(lane) for lane in range(len(taught_by))]
    users, items = (torch.stack(own) for own in zip(*taken, strict=True))
    found.standardise(users, items)
    return found


def _expected(name: str, lane: int) -> np.ndarray:
    """All scores of a teacher for a lane, (U, I), by a loop."""
    scores, found = _scores()[name]["scores"], np.zeros((USERS, ITEMS))
    users, items = (x.numpy() for x in _interactions(lane))
    for user in range(USERS):
        left = np.setdiff1d(np.arange(ITEMS), items[users == user])
        deviation = scores[user, left].std()
        found[user] = (scores[user] - scores[user, left].mean()) / (deviation or 1.0)
    return found


TAUGHT_BY = [("second", "first"), ("third", "first"), ("first", "third")]
EVERY = torch.arange(USERS).expand(3, -1), torch.arange(ITEMS).expand(3, USERS, -1)


def test_scores_are_deviations_from_each_users_mean_over_what_it_has_not_taken() -> None:
    found = _lanes(TAUGHT_BY).at(*EVERY)
    assert found.shape == (3, 2, USERS, ITEMS)
    for lane, names in enumerate(TAUGHT_BY):
        for m, name in enumerate(names):
            np.testing.assert_allclose(found[lane, m].numpy(), _expected(name, lane), atol=1e-12)


def test_single_pairs_are_fetched_of_any_lanes() -> None:
    teachers, rng = _lanes(TAUGHT_BY), np.random.default_rng(0)
    rows = torch.tensor([2, 0, 2, 1])
    users = torch.as_tensor(rng.integers(USERS, size=(4, 6)))
    items = torch.as_tensor(rng.integers(ITEMS, size=(4, 6, 3)))
    found = teachers.at(users, items, rows)
    for row, lane in enumerate(rows.tolist()):
        for m, name in enumerate(TAUGHT_BY[lane]):
            own = _expected(name, lane)[users[row].unsqueeze(1), items[row]]
            np.testing.assert_allclose(found[row, m].numpy(), own, atol=1e-12)


def test_lanes_are_cut_out_before_and_after_they_are_standardised() -> None:
    at = torch.tensor([2, 1])
    expected = _lanes(TAUGHT_BY).at(*EVERY)[at]
    own = EVERY[0][:2], EVERY[1][:2]
    assert torch.equal(_lanes(TAUGHT_BY).keep(at).at(*own), expected)
    early = TeacherScores(_scores(), TAUGHT_BY, CPU).keep(at)
    taken = [_interactions(lane) for lane in at.tolist()]
    early.standardise(*(torch.stack(x) for x in zip(*taken, strict=True)))
    assert torch.equal(early.at(*own), expected)
    assert early.number(0, 0) == early.number(1, 1) != early.number(0, 1)


def test_scores_as_they_were_given_are_each_lanes_own() -> None:
    teachers = _lanes(TAUGHT_BY)
    for lane, names in enumerate(TAUGHT_BY):
        for m, name in enumerate(names):
            assert np.array_equal(teachers.scores(lane, m).numpy(), _scores()[name]["scores"])


def test_lanes_without_teachers_have_no_scores() -> None:
    nobody = TeacherScores({}, [(), ()], CPU)
    users, items = _interactions(0)
    nobody.standardise(users.expand(2, -1), items.expand(2, -1))
    assert nobody.keep(torch.tensor([1])) is not None


def test_scores_that_are_all_equal_deviate_by_one() -> None:
    users, items = _interactions(0)
    mean, deviation = spread(torch.full((USERS, ITEMS), 2.5), users, items)
    assert mean.tolist() == [2.5] * USERS
    assert deviation.tolist() == [1.0] * USERS
    # So does the only item that a user has left.
    assert spread(drawn(USERS, ITEMS), users, items)[1][-1] == 1.0


def test_what_is_kept_is_in_single_precision_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kept(drawn(4, 5))["scores"].dtype == np.float32
    monkeypatch.setattr(dataset, "MOST_SCORES", 19)
    with pytest.raises(ValueError, match=r"4 users and 5 items are 20 numbers, and 19"):
        kept(drawn(4, 5))

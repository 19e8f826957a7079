"""Corrupted boxes: how many pictures, and what becomes of them."""

import numpy as np
import pytest

from tests.trainers.detection.cases import boxes_of, pictures
from trainers.detection.data.dataset import BOX, CLASS, CROWD, Boxes, areas, counts, is_there
from trainers.detection.data.noise import NOISE_KINDS, SHIFTED, Boxed, corrupted_boxes

EVERY = pytest.mark.parametrize("kind", NOISE_KINDS)
SIZE = 48
# Crowds, pictures without boxes, and boxes with hardly room to move, or none.
MANY = boxes_of(
    [(0, 0, 0, 48, 48)],
    [(1, 0, 10, 48, 20), (0, 1, 1, 4, 9)],
    [],
    [(2, 3, 3, 9, 9, 1)],
    [(2, 3, 3, 40, 40, 1), (1, 5, 5, 45, 45), (1, 5, 5, 45, 45)],
    [(2, 2, 0, 46, 48), (0, 20, 20, 22, 30), (1, 40, 40, 48, 48)],
    *[[(i % 3, i, 10, i + 9.5, 30)] for i in range(14)],
)


def _noisy(kind: str, rate: float, boxes: Boxes = MANY, seed: int = 0) -> Boxes:
    boxed = Boxed(boxes, np.full((len(boxes), 2), SIZE), 3)
    return corrupted_boxes(boxed, kind, rate, np.random.default_rng(seed))


def _differ(found: Boxes, boxes: Boxes) -> np.ndarray:
    changed: np.ndarray = (found != boxes).any((1, 2))
    return changed


@EVERY
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.75])
def test_as_many_pictures_are_changed_as_the_rate_says(kind: str, rate: float) -> None:
    for seed in range(20):
        found = _noisy(kind, rate, seed=seed)
        assert _differ(found, MANY).sum() == round(rate * len(MANY))


@EVERY
def test_all_pictures_with_boxes_are_changed_where_they_are_fewer(kind: str) -> None:
    for seed in range(20):
        assert np.array_equal(_differ(_noisy(kind, 1.0, seed=seed), MANY), counts(MANY) > 0)


@EVERY
def test_no_noise_changes_nothing_and_is_a_copy(kind: str) -> None:
    found = _noisy(kind, 0.0)
    assert np.array_equal(found, MANY)
    assert found is not MANY


@EVERY
def test_boxes_stay_boxes_of_their_picture(kind: str) -> None:
    for boxes in (MANY, pictures().boxes):
        found = _noisy(kind, 1.0, boxes)
        there = is_there(found)
        left, top, right, bottom = np.moveaxis(found[there][:, BOX], 1, 0)
        assert ((left >= 0) & (top >= 0) & (right <= SIZE) & (bottom <= SIZE)).all()
        assert ((right > left) & (bottom > top)).all()
        # Padding stays behind them.
        assert (np.diff(there.astype(int), axis=1) <= 0).all()
        assert not found[~there][:, 1:].any()


@EVERY
def test_crowds_stay(kind: str) -> None:
    found = _noisy(kind, 1.0)
    for own, true in zip(found, MANY, strict=True):
        crowds = [rows[rows[:, CROWD] == 1].tolist() for rows in (own, true)]
        assert crowds[0] == crowds[1]


def test_dropping_leaves_out_one_at_least_and_changes_no_other() -> None:
    many = boxes_of(*[[(c % 3, c, c, c + 5, c + 6) for c in range(6)]] * 200)
    found = _noisy("drop", 1.0, many)
    left = counts(found)
    assert left.max() <= 5
    # One at random and each other with probability 1/2: 6 - 1 - 5/2 on average.
    assert abs(left.mean() - 2.5) < 0.25
    for own in found:
        rows = own[is_there(own)].tolist()
        assert all(row in many[0].tolist() for row in rows)
    # Each as likely as any other.
    kept = np.array([[row in own.tolist() for row in many[0].tolist()] for own in found])
    assert np.ptp(kept.mean(0)) < 0.2


def test_shifting_moves_each_box_by_a_quarter_to_half_of_it_where_there_is_room() -> None:
    many = boxes_of(*[[(1, 16, 18, 26, 26)]] * 200)
    found = _noisy("shift", 1.0, many)
    moved = (found - many)[:, 0, BOX]
    np.testing.assert_allclose(moved[:, :2], moved[:, 2:], atol=1e-5)
    share = np.abs(moved[:, :2]) / [10, 8]
    assert (share >= SHIFTED[0] - 1e-5).all()
    assert (share <= SHIFTED[1] + 1e-5).all()
    assert share.max() > 0.48
    assert share.min() < 0.27
    # Every way is as likely.
    assert (np.abs(np.sign(moved[:, :2]).mean(0)) < 0.2).all()


def test_a_box_that_fills_its_picture_loses_what_a_shift_takes_out_of_it() -> None:
    whole = boxes_of([(0, 0, 0, 48, 48)])
    shares = (
        np.array([areas(_noisy("shift", 1.0, whole, seed))[0, 0] for seed in range(50)]) / 48**2
    )
    assert shares.max() <= (1 - SHIFTED[0]) ** 2 + 1e-6
    assert shares.min() >= (1 - SHIFTED[1]) ** 2 - 1e-6


def test_flipping_gives_every_box_another_class_and_nothing_else() -> None:
    many = boxes_of(*[[(c % 3, c, c, c + 5, c + 6) for c in range(6)]] * 100)
    found = _noisy("flip", 1.0, many)
    assert (found[..., CLASS] != many[..., CLASS]).all()
    assert np.array_equal(found[..., 1:], many[..., 1:])
    assert set(np.unique(found[..., CLASS])) == {0, 1, 2}
    # Both others are as likely.
    one_on = (found[..., CLASS] == (many[..., CLASS] + 1) % 3).mean()
    assert abs(one_on - 0.5) < 0.1

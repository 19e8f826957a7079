"""False positives: how many, which, and of whom."""

import numpy as np
import pytest
from scipy.stats import chisquare

from tests.trainers.recommendation.cases import of_counts, pairs
from trainers.recommendation.data import without_replacement
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.noise import NOISE_KINDS, Positives, corrupted_items
from trainers.recommendation.data.without_replacement import drawn

KINDS = sorted(NOISE_KINDS)


def _positives(data: Interactions, rows: np.ndarray) -> Positives:
    popularity = np.bincount(data.items, minlength=len(data.item_ids))
    return Positives(data.users[rows], data.items[rows], data.users, data.items, popularity)


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_becomes_items_that_the_user_never_took(kind: str) -> None:
    data = of_counts([12, 3, 15, 0, 7, 15])
    rows = _rng().permutation(len(data))[:40]
    found = corrupted_items(_positives(data, rows), kind, 0.45, _rng())
    users, wrong = data.users[rows], found != data.items[rows]
    assert wrong.sum() == 18
    assert not pairs(users[wrong], found[wrong]) & pairs(data.users, data.items)
    assert len(pairs(users, found)) == len(rows)
    assert np.array_equal(
        corrupted_items(_positives(data, rows), kind, 0.0, _rng()), data.items[rows]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_who_has_nearly_everything_is_given_what_is_left(kind: str) -> None:
    data = of_counts([38, 4])
    rows = np.arange(len(data))
    found = corrupted_items(_positives(data, rows), kind, 1.0, _rng())
    wrong = found != data.items
    there = set(np.unique(data.items)) if kind == "swap_popular" else set(range(40))
    left = there - set(data.items[data.users == 0])
    assert set(found[wrong & (data.users == 0)]) == left
    assert wrong[data.users == 1].all()
    assert len(pairs(data.users, found)) == len(data)


def test_every_interaction_is_as_likely_to_be_wrong() -> None:
    data = of_counts([10, 20])
    rows = np.arange(len(data))
    wrong = sum(
        corrupted_items(_positives(data, rows), "swap", 0.2, _rng(seed)) != data.items
        for seed in range(500)
    )
    # Of 30 a fifth is drawn without replacement, so that counts vary less than chi-squared says.
    assert chisquare(np.asarray(wrong) / (0.8 * 30 / 29)).pvalue > 0.001


@pytest.mark.parametrize("kind", KINDS)
def test_false_items_are_as_likely_as_is_said(kind: str) -> None:
    data = of_counts([10] * 20, items=15)
    rows = np.flatnonzero(data.users == 3)[:1]
    popularity = np.bincount(data.items, minlength=15)
    left = np.setdiff1d(np.arange(15), data.items[data.users == 3])
    given = _positives(data, rows)
    found = [corrupted_items(given, kind, 1.0, _rng(seed))[0] for seed in range(2000)]
    p = popularity[left] if kind == "swap_popular" else np.ones(len(left))
    counts = np.bincount(found, minlength=15)
    assert counts[left].sum() == 2000
    assert chisquare(counts[left], 2000 * p / p.sum()).pvalue > 0.001


def test_draws_follow_one_another_without_replacement() -> None:
    p = np.array([0.5, 0.3, 0.2, 0.0])
    draws = 20_000
    rows, columns = drawn(np.tile(7 * p, (draws, 1)), np.full(draws, 2), _rng())
    assert np.array_equal(rows, np.repeat(np.arange(draws), 2))
    found = np.zeros((4, 4))
    np.add.at(found, (columns[::2], columns[1::2]), 1)
    wanted = p[:, None] * p / (1 - p[:, None])
    np.fill_diagonal(wanted, 0)
    possible = wanted > 0
    assert found[~possible].sum() == 0
    assert chisquare(found[possible], draws * wanted[possible]).pvalue > 0.001
    # Of three that can be drawn no fourth is.
    assert len(drawn(np.tile(p, (5, 1)), np.full(5, 4), _rng())[0]) == 15


@pytest.mark.parametrize("kind", KINDS)
def test_how_users_are_cut_into_blocks_changes_nothing(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = of_counts([12, 3, 15, 0, 7, 15])
    given = _positives(data, np.arange(len(data)))
    whole = corrupted_items(given, kind, 0.5, _rng())
    for cells in (1, 100):
        monkeypatch.setattr(without_replacement, "CELLS", cells)
        assert np.array_equal(corrupted_items(given, kind, 0.5, _rng()), whole)

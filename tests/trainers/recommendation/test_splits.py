"""Splits of every user by itself: their sizes, their order, and what is refused."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import chisquare

from tests.trainers.recommendation.cases import FRACTIONS, of_counts
from trainers.recommendation.data.splits import FEWEST, rows_by_user, split_problem
from trainers.settings import SplitFractions

COUNTS = [1, 9, 10, 11, 15, 23, 30]


def _rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("seed", [0, 1])
def test_each_user_has_its_share_in_every_split(seed: int) -> None:
    data = of_counts(COUNTS)
    rows = rows_by_user(data, FRACTIONS, _rng(seed))
    found = {
        split: np.bincount(data.users[of_split], minlength=len(COUNTS)).tolist()
        for split, of_split in rows.items()
    }
    assert found == {
        "train": [1, 9, 6, 4, 8, 12, 18],
        "meta": [0, 0, 1, 2, 2, 3, 3],
        "validation": [0, 0, 1, 2, 2, 3, 3],
        "test": [0, 0, 2, 3, 3, 5, 6],
    }
    assert sorted(np.concatenate([*rows.values()])) == list(range(len(data)))


def test_what_shares_leave_over_is_in_no_split() -> None:
    data = of_counts([20] * 5)
    fractions = SplitFractions(0.33, 0.1, 0.1, 0.2, teacher=0.1)
    rows = rows_by_user(data, fractions, _rng(0))
    sizes = {split: len(of_split) / 5 for split, of_split in rows.items()}
    assert sizes == {"train": 6, "meta": 2, "validation": 2, "test": 4, "teacher": 2}
    together = np.concatenate([*rows.values()])
    assert len(np.unique(together)) == len(together)


def test_something_is_left_to_train_on() -> None:
    fractions = SplitFractions(0.02, 0.28, 0.3, 0.2, teacher=0.2)
    rows = rows_by_user(of_counts([FEWEST]), fractions, _rng(0))
    assert {split: len(of) for split, of in rows.items()} == {
        "train": 1, "meta": 2, "validation": 3, "test": 2, "teacher": 2,
    }  # fmt: skip


def test_any_interaction_is_as_likely_in_the_test_split() -> None:
    data = of_counts([20, 30])
    tested = np.concatenate(
        [rows_by_user(data, FRACTIONS, _rng(seed))["test"] for seed in range(400)]
    )
    counts = np.bincount(tested, minlength=len(data))
    for user, n in ((0, 20), (1, 30)):
        # A fifth of n is drawn without replacement: counts vary less than chi-squared says.
        of_user = counts[data.users == user]
        assert chisquare(of_user / (0.8 * n / (n - 1))).pvalue > 0.001
    other, again = (rows_by_user(data, FRACTIONS, _rng(seed))["test"] for seed in (1, 1))
    assert np.array_equal(other, again)


def test_in_time_a_user_learns_from_the_past_and_is_tested_on_the_latest() -> None:
    data = of_counts([5, 20, 37])
    data = replace(data, times=_rng(1).integers(0, 10, len(data)))
    fractions = SplitFractions(0.3, 0.1, 0.1, 0.2, teacher=0.2)
    rows = rows_by_user(data, fractions, _rng(0))
    assert data.times is not None
    for user in (1, 2):
        times = [
            data.times[rows[split]][data.users[rows[split]] == user]
            for split in ("train", "teacher", "meta", "validation", "test")
        ]
        assert all(len(of) for of in times)
        assert all(a.max() <= b.min() for a, b in pairwise(times))
    tied = replace(data, times=np.zeros(len(data), np.int64))
    one, other = (set(rows_by_user(tied, fractions, _rng(seed))["test"]) for seed in (0, 1))
    assert one != other


def test_of_the_meta_split_the_first_are_clean() -> None:
    data = of_counts([20] * 10)
    whole = rows_by_user(data, FRACTIONS, _rng(0))
    part = rows_by_user(data, replace(FRACTIONS, clean=0.07), _rng(0))
    assert np.array_equal(part["meta"], whole["meta"][:14])
    assert all(np.array_equal(part[split], whole[split]) for split in ("train", "test"))


def test_splits_that_would_be_empty_are_told() -> None:
    small = of_counts([9, 3])
    assert split_problem(of_counts([9, 10]), FRACTIONS) is None
    assert "no user has 10 interactions" in (split_problem(small, FRACTIONS) or "")
    assert "one has is 9" in (split_problem(small, FRACTIONS) or "")
    few = of_counts([9] * 9 + [19])
    assert split_problem(few, replace(FRACTIONS, clean=0.02)) is None
    assert "lower it" in (split_problem(few, replace(FRACTIONS, clean=0.03)) or "")

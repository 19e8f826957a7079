"""Statistics against hand computations and brute force."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.compare import statistics
from sweep.compare.records import Direction
from sweep.compare.statistics import PValue

NAN = float("nan")
# The same examples every time, and no deadline: a busy machine is not a failure.
STEADY = settings(derandomize=True, deadline=None, max_examples=40)
SMALL_INTEGERS = st.lists(st.integers(-5, 5), min_size=1, max_size=8)
# Accuracies as a test split of 360 examples gives them: many ties, all of them rounded.
ACCURACIES = st.lists(st.integers(0, 360), min_size=2, max_size=7)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def brute_force_p(differences: list[Fraction]) -> float:
    """Share of all sign patterns whose sum is as far from zero, in exact arithmetic."""
    observed = abs(sum(differences, Fraction(0)))
    patterns = list(itertools.product((-1, 1), repeat=len(differences)))
    sums = [
        abs(sum((s * d for s, d in zip(p, differences, strict=True)), Fraction(0)))
        for p in patterns
    ]
    return sum(value >= observed for value in sums) / len(patterns)


def test_mean_and_sample_deviation_by_hand() -> None:
    values = np.array([1.0, 2.0, 6.0])
    assert statistics.mean(values) == 3.0
    assert statistics.sample_std(values) == pytest.approx(7.0**0.5)


def test_too_small_samples_are_nan(rng: np.random.Generator) -> None:
    empty, one = np.array([]), np.array([4.0])
    assert np.isnan(statistics.mean(empty))
    assert statistics.mean(one) == 4.0
    assert np.isnan(statistics.sample_std(one))
    assert np.isnan(statistics.bca_interval(one, rng)).all()
    assert np.isnan(statistics.sign_flip_p(empty, rng).value)
    assert np.isnan(statistics.probability_of_improvement(empty, one, "maximize"))


def test_interval_of_equal_values_is_that_value(rng: np.random.Generator) -> None:
    assert statistics.bca_interval(np.full(5, 91.3), rng) == (91.3, 91.3)


def test_interval_stays_inside_the_sample_and_around_its_mean(rng: np.random.Generator) -> None:
    values = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    low, high = statistics.bca_interval(values, rng)
    assert 1.0 <= low < values.mean() < high <= 16.0


def test_interval_shifts_and_scales_with_the_sample() -> None:
    values = np.random.default_rng(3).normal(size=9)
    low, high = statistics.bca_interval(values, np.random.default_rng(1))
    moved = statistics.bca_interval(10.0 + 2.0 * values, np.random.default_rng(1))
    # Not to the last digit: the shift rounds resampled means that equal the sample's own.
    assert moved == pytest.approx((10.0 + 2.0 * low, 10.0 + 2.0 * high), abs=0.01 * (high - low))


def test_interval_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    samples = rng.normal(size=(120, 30))
    intervals = [statistics.bca_interval(sample, rng) for sample in samples]
    covered = np.mean([low <= 0.0 <= high for low, high in intervals])
    # Four standard errors of a share of 0.95 over 120 samples.
    assert covered > 0.95 - 4 * (0.95 * 0.05 / 120) ** 0.5


@STEADY
@given(SMALL_INTEGERS)
def test_sign_flip_agrees_with_brute_force_on_ties_and_zeros(differences: list[int]) -> None:
    exact = brute_force_p([Fraction(d) for d in differences])
    found = statistics.sign_flip_p(np.array(differences, dtype=float), np.random.default_rng(0))
    assert found.value == pytest.approx(exact, abs=1e-12)
    assert found.kind == "exact"


@STEADY
@given(ACCURACIES)
def test_rounding_of_accuracies_breaks_no_tie(correct: list[int]) -> None:
    others = correct[1:] + correct[:1]
    in_percent = [100.0 * c / 360 for c in correct], [100.0 * c / 360 for c in others]
    exact = brute_force_p([Fraction(a - b) for a, b in zip(correct, others, strict=True)])
    differences = np.array(in_percent[0]) - np.array(in_percent[1])
    found = statistics.sign_flip_p(differences, np.random.default_rng(0))
    assert found.value == pytest.approx(exact, abs=1e-12)


@STEADY
@given(SMALL_INTEGERS)
def test_sign_flip_is_two_sided(differences: list[int]) -> None:
    d = np.array(differences, dtype=float)
    rng = np.random.default_rng(0)
    assert statistics.sign_flip_p(d, rng) == statistics.sign_flip_p(-d, rng)


def test_sign_flip_by_hand(rng: np.random.Generator) -> None:
    assert statistics.sign_flip_p(np.ones(5), rng).value == 2 / 32
    # +-1 +-2 +-3: only 1 + 2 + 3 and its negative reach 6; four of eight reach 4.
    assert statistics.sign_flip_p(np.array([1.0, 2.0, 3.0]), rng).value == 2 / 8
    assert statistics.sign_flip_p(np.array([-1.0, 2.0, 3.0]), rng).value == 4 / 8
    assert statistics.sign_flip_p(np.zeros(4), rng).value == 1.0


def test_sign_flip_is_exact_up_to_its_bound(rng: np.random.Generator) -> None:
    n = statistics.EXACT_SEEDS
    found = statistics.sign_flip_p(np.arange(1.0, n + 1), rng)
    assert found == PValue(statistics.smallest_reachable_p(n), "exact")


def test_monte_carlo_beyond_the_bound_is_seeded_and_never_zero() -> None:
    d = np.ones(statistics.EXACT_SEEDS + 1)
    found = statistics.sign_flip_p(d, np.random.default_rng(0))
    assert found == PValue(1 / (1 + statistics.RESAMPLES), "monte_carlo")
    assert statistics.sign_flip_p(d, np.random.default_rng(0)) == found


def test_monte_carlo_is_near_the_exact_p(monkeypatch: pytest.MonkeyPatch) -> None:
    d = np.random.default_rng(7).normal(0.4, 1.0, size=12)
    exact = statistics.sign_flip_p(d, np.random.default_rng(0))
    monkeypatch.setattr(statistics, "EXACT_SEEDS", 0)
    drawn = statistics.sign_flip_p(d, np.random.default_rng(0))
    assert (exact.kind, drawn.kind) == ("exact", "monte_carlo")
    standard_error = (exact.value * (1 - exact.value) / statistics.RESAMPLES) ** 0.5
    assert abs(drawn.value - exact.value) < 4 * standard_error


def test_holm_by_hand() -> None:
    adjusted = statistics.holm(np.array([0.01, 0.04, 0.03]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06])


def test_holm_neither_counts_nor_fills_what_is_missing() -> None:
    adjusted = statistics.holm(np.array([0.01, NAN, 0.04]))
    assert adjusted == pytest.approx([0.02, NAN, 0.04], nan_ok=True)
    assert np.isnan(statistics.holm(np.array([NAN, NAN]))).all()
    assert statistics.holm(np.array([])).shape == (0,)


@settings(STEADY, max_examples=10)  # each call takes tenths of a second
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8))
def test_holm_agrees_with_its_definition(p: list[float]) -> None:
    order = np.argsort(p)
    running, expected = 0.0, np.empty(len(p))
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p) - rank) * p[index]))
        expected[index] = running
    assert statistics.holm(np.array(p)) == pytest.approx(expected)


def test_probability_of_improvement_by_hand() -> None:
    a, b = np.array([1.0, 3.0]), np.array([1.0, 2.0, 2.0])
    # Of six pairs a is ahead in three and level in one.
    assert statistics.probability_of_improvement(a, b, "maximize") == 3.5 / 6
    assert statistics.probability_of_improvement(a, b, "minimize") == 2.5 / 6


@STEADY
@given(SMALL_INTEGERS, SMALL_INTEGERS)
def test_probability_of_improvement_is_complementary(left: list[int], right: list[int]) -> None:
    a, b = np.array(left, dtype=float), np.array(right, dtype=float)
    forth = statistics.probability_of_improvement(a, b, "maximize")
    back = statistics.probability_of_improvement(b, a, "maximize")
    assert forth + back == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "direction", "verdict"),
    [
        (0.1, 0.9, 0.04, "maximize", "better"),
        (0.1, 0.9, 0.04, "minimize", "worse"),
        (-0.9, -0.1, 0.04, "maximize", "worse"),
        (-0.9, -0.1, 0.04, "minimize", "better"),
        (0.1, 0.9, 0.05, "maximize", ""),
        (0.0, 0.9, 0.01, "maximize", ""),
        (-0.1, 0.9, 0.01, "maximize", ""),
        (0.1, 0.9, NAN, "maximize", ""),
        (NAN, NAN, 0.01, "maximize", ""),
    ],
)
def test_a_difference_is_called_on_both_grounds_only(
    low: float, high: float, p_holm: float, direction: Direction, verdict: str
) -> None:
    assert statistics.call(low, high, p_holm, direction) == verdict


def test_what_a_number_of_seeds_can_show() -> None:
    assert statistics.smallest_reachable_p(5) == 0.0625
    assert statistics.smallest_reachable_p(0) == 1.0
    assert [statistics.seeds_needed(m) for m in (1, 3, 10)] == [6, 7, 9]
    assert statistics.seeds_needed(1, level=0.01) == 8


@pytest.mark.parametrize(("n_comparisons", "level"), [(0, 0.05), (1, 0.0), (1, 1.5)])
def test_seeds_needed_refuses_what_cannot_be_asked(n_comparisons: int, level: float) -> None:
    with pytest.raises(ValueError, match=f"{n_comparisons} comparisons at level {level}"):
        statistics.seeds_needed(n_comparisons, level)

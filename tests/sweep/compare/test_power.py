"""The difference that is called in 80 % of cases, against the rule that calls, run as a whole."""

import time
from itertools import pairwise

import numpy as np
import pytest

from sweep.compare import power, statistics
from sweep.compare.power import POWER, called_from, detectable_difference


def share_called(shift: float, n_seeds: int, n_comparisons: int, samples: int) -> float:
    """How often the whole rule calls one shifted difference among others that are null."""
    rng = np.random.default_rng([n_seeds, n_comparisons])
    called = 0
    for _ in range(samples):
        differences = rng.normal(size=(n_comparisons, n_seeds))
        differences[0] += shift
        p = np.array([statistics.sign_flip_p(d, rng).value for d in differences])
        p_holm = statistics.holm(p)[0]
        # Where p alone stands in the way, no interval can help.
        low, high = (
            statistics.bca_interval(differences[0], rng)
            if p_holm < statistics.LEVEL
            else (-np.inf, np.inf)
        )
        called += statistics.call(low, high, p_holm, "maximize") == "better"
    return called / samples


def four_errors(share: float, samples: int) -> float:
    return 4 * float(share * (1 - share) / samples) ** 0.5


@pytest.mark.parametrize(("n_seeds", "n_comparisons"), [(10, 8), (7, 1), (10, 1)])
def test_the_whole_rule_calls_it_as_often_as_it_says(
    n_seeds: int, n_comparisons: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shift = detectable_difference(n_seeds, n_comparisons)
    monkeypatch.setattr(statistics, "RESAMPLES", 999)  # of the interval: enough, and faster
    share = share_called(shift, n_seeds, n_comparisons, 1_000)
    # The difference itself is from 4,000 samples.
    assert share == pytest.approx(POWER, abs=four_errors(POWER, 800))


def test_the_differences_of_a_t_test_are_called_less_often() -> None:
    # Ten seeds, eight comparisons. What a paired t test finds in 80 % of cases at 0.05, and at
    # 0.05 / 8: 0.996 and 1.434 standard deviations, from the noncentral t distribution.
    calls = called_from(10, 8)
    assert np.mean(calls < 0.996) == pytest.approx(0.36, abs=0.03)
    assert np.mean(calls < 1.434) == pytest.approx(0.73, abs=0.03)
    assert detectable_difference(10, 8) == pytest.approx(1.53, abs=0.03)


def test_each_sample_is_called_from_its_own_difference_on() -> None:
    z = np.random.default_rng(power.SEED).standard_normal((power.SAMPLES, 9), dtype=np.float32)
    unused = np.random.default_rng(0)
    for sample, shift in zip(z[:40].astype(float), called_from(9, 3)[:40], strict=True):
        below, above = (
            statistics.sign_flip_p(sample + shift + step, unused).value for step in (-1e-3, 1e-3)
        )
        assert above < statistics.LEVEL / 3 <= below


def test_more_comparisons_need_more_and_more_seeds_less() -> None:
    of_comparisons = [detectable_difference(10, m) for m in (1, 2, 4, 8, 12)]
    assert of_comparisons == sorted(of_comparisons)
    assert of_comparisons[0] < of_comparisons[-1]
    of_seeds = [detectable_difference(n, 4) for n in (8, 10, 12, 14, 15, 20, 21, 30, 100, 400)]
    assert all(more < less for less, more in pairwise(of_seeds))


@pytest.mark.parametrize(("n_seeds", "n_comparisons"), [(0, 1), (1, 1), (5, 1), (8, 8), (10, 60)])
def test_too_few_seeds_call_nothing_however_large(n_seeds: int, n_comparisons: int) -> None:
    assert n_seeds < statistics.seeds_needed(n_comparisons)
    assert detectable_difference(n_seeds, n_comparisons) == np.inf
    assert detectable_difference(statistics.seeds_needed(n_comparisons), n_comparisons) < np.inf


def test_drawn_patterns_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    exact = detectable_difference(13, 4)
    monkeypatch.setattr(power, "RESAMPLES", 4_000)
    drawn = np.quantile(called_from.__wrapped__(13, 4), POWER)
    assert drawn == pytest.approx(exact, rel=0.02)


def test_nothing_is_asked_of_no_comparison() -> None:
    with pytest.raises(ValueError, match="0 comparisons"):
        detectable_difference(10, 0)


def test_it_is_found_in_a_moment_and_the_same_every_time() -> None:
    called_from.cache_clear()
    began = time.process_time()
    first = called_from(14, 8)
    assert time.process_time() - began < 10  # half a second on an idle core
    called_from.cache_clear()
    np.testing.assert_array_equal(called_from(14, 8), first)

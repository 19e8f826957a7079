"""Statistics of a paired comparison over seeds: tiny functions of arrays.

symbol        shape  meaning
values        (S,)   one metric value per seed
a, b          (S,)   values of two methods; S may differ between them where nothing is paired
differences   (S,)   a - b, seed by seed
p             (K,)   p-values of the K comparisons of one table

No function draws random numbers but from the generator it is given. A quantity that the sample is
too small for is NaN, never an error.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sweep.compare.records import Direction

Floats = NDArray[np.float64]
Verdict = Literal["better", "worse", ""]

LEVEL = 0.05  # two-sided, after Holm; the convention of the field
CONFIDENCE = 0.95  # of every interval
RESAMPLES = 9_999  # of bootstrap and Monte Carlo test; with the observed sample a round 10,000
EXACT_SEEDS = 20  # 2^19 sign patterns, some 10 ms; beyond, signs are drawn
# Two sums this close, relative to the sum of magnitudes, are ties: differences of rounded decimals
# (91.3 - 91.2 and 90.3 - 90.2) agree to about 1e-13. Counting a near-tie can only raise p.
TIE_TOLERANCE = 1e-9


@dataclass(frozen=True)
class PValue:
    """A p-value and how it was found."""

    value: float  # in (0, 1], or NaN where there is nothing to test
    kind: Literal["exact", "monte_carlo"]


def mean(values: Floats) -> float:
    """Mean over seeds, (S,) -> scalar; NaN for S = 0."""
    return float(np.mean(values)) if len(values) else float("nan")


def sample_std(values: Floats) -> float:
    """Sample standard deviation over seeds (divisor S - 1), (S,) -> scalar; NaN for S < 2."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def bca_interval(values: Floats, rng: np.random.Generator) -> tuple[float, float]:
    """BCa bootstrap interval of the mean over seeds, (S,) -> (low, high), at CONFIDENCE.

    NaN for S < 2; [v, v] where all values equal v, which leaves nothing to resample. With a handful
    of seeds the interval is too short (it cannot reach beyond the sample's own extremes), which is
    why no difference is called on it alone. Source: Efron 1987, as implemented in
    `scipy.stats.bootstrap`.
    """
    # Imported where it is needed: it takes a second to load, and few commands compare anything.
    from scipy import stats  # type: ignore[import-untyped]

    if len(values) <= 1:
        return float("nan"), float("nan")
    if np.ptp(values) == 0.0:
        return float(values[0]), float(values[0])
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="BCa",
        rng=rng,
    ).confidence_interval
    return float(interval.low), float(interval.high)


def sign_flip_p(differences: Floats, rng: np.random.Generator) -> PValue:
    """Two-sided sign-flip permutation test of mean zero, (S,) -> p.

    Under the null the sign of every paired difference is a fair coin: p is the share of the 2^S
    sign patterns whose sum is at least as far from zero as the observed one. Exact up to
    EXACT_SEEDS seeds. Beyond, RESAMPLES patterns are drawn and the observed one is counted among
    them, so that p is never zero (Phipson and Smyth 2010); only then is `rng` used.
    NaN for S = 0.
    """
    if len(differences) == 0:
        return PValue(float("nan"), "exact")
    slack = TIE_TOLERANCE * float(np.sum(np.abs(differences)))
    threshold = abs(float(np.sum(differences))) - slack
    if len(differences) <= EXACT_SEEDS:
        sums = sign_pattern_sums(differences)
        return PValue(float(np.mean(np.abs(sums) >= threshold)), "exact")
    signs = 2.0 * rng.integers(0, 2, size=(RESAMPLES, len(differences))) - 1.0
    as_far = int(np.count_nonzero(np.abs(signs @ differences) >= threshold))
    return PValue((1 + as_far) / (1 + RESAMPLES), "monte_carlo")


def sign_pattern_sums(differences: Floats) -> Floats:
    """Sums under every sign pattern with the first sign fixed, (S,) -> (2^(S-1),), for S >= 1.

    The other half are their negatives, which a two-sided test does not tell apart.
    """
    sums = differences[:1]
    for difference in differences[1:]:
        sums = np.concatenate([sums + difference, sums - difference])
    return sums


def holm(p: Floats) -> Floats:
    """Holm's step-down adjusted p-values, (K,) -> (K,). Source: Holm 1979.

    NaN stands for a comparison that could not be made; it stays NaN and is not counted.
    """
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.count_nonzero(np.isfinite(p))]
    left = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * left), 1.0)
    return adjusted


def probability_of_improvement(a: Floats, b: Floats, direction: Direction) -> float:
    """P(a run of a is better than a run of b), over all pairs, (S,), (S',) -> [0, 1].

    A tie counts one half. NaN where either is empty. Source: Agarwal et al. 2021 (rliable); the
    Mann-Whitney statistic over its maximum.
    """
    if len(a) == 0 or len(b) == 0:
        return float("nan")
    gain = a[:, None] - b[None, :] if direction == "maximize" else b[None, :] - a[:, None]
    return float(np.mean((gain > 0) + 0.5 * (gain == 0)))


def call(low: float, high: float, p_holm: float, direction: Direction) -> Verdict:
    """Whether a difference is called, and which way; "" where it is not.

    It is called only where the interval [low, high] of the difference excludes zero *and* the
    adjusted p is below LEVEL. NaN calls nothing.
    """
    if not p_holm < LEVEL or not (low > 0.0 or high < 0.0):
        return ""
    return "better" if (low > 0.0) == (direction == "maximize") else "worse"


def smallest_reachable_p(n_seeds: int) -> float:
    """The p below which a two-sided sign-flip test over n_seeds seeds cannot go, in (0, 1]."""
    # With no seed both patterns are one and the same.
    return min(1.0, 2.0 / 2.0**n_seeds)


def seeds_needed(n_comparisons: int, level: float = LEVEL) -> int:
    """Fewest seeds with which one of n_comparisons can be significant at level after Holm.

    Raises ValueError where either argument makes the question empty.
    """
    if n_comparisons < 1 or not 0.0 < level <= 1.0:
        raise ValueError(f"no seeds can be found for {n_comparisons} comparisons at level {level}")
    n_seeds = 1
    while smallest_reachable_p(n_seeds) * n_comparisons > level:
        n_seeds += 1
    return n_seeds

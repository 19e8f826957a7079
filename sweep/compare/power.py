"""Which true difference the rule that calls finds, told by simulating that rule.

symbol   shape   meaning
n, m             paired seeds; comparisons over which Holm's adjustment runs
z        (B, n)  standard normal draws: paired differences in their own standard deviations, less
                 the true one
flips    (K, n)  sign patterns: 1 where the sign of a seed is flipped, 0 where not

A difference is called where its interval excludes zero and p, adjusted by Holm, is below LEVEL.
Here it stands at Holm's first step, where p * m has to be below LEVEL: so it does where all other
comparisons are null, but for the few of them that are smaller by chance. At such a p the 95 %
interval excludes zero as good as always, so the search for the difference leaves it out; the
tests run the whole rule at what is found.

Of one sample z + d, a pattern counts against the difference where its sum is as far from zero as
the sum of all. For a sum above zero that is so where the flipped seeds sum to zero or less, or the
others do: where d <= -(mean of z over these). So each pattern falls away at a d of its own, and the
sample is called from the d on at which few enough are left. The share of samples that are called
at d is the power there: the smallest difference with a power is a quantile, without a search.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sweep.compare.statistics import LEVEL, RESAMPLES, Floats

POWER = 0.8  # the convention of the field; Cohen 1988
SAMPLES = 4_000  # a power of 0.8 to 0.006, one standard error
CHUNK = 500  # samples at once: with 9,999 patterns some 100 MB
MOST_SEEDS = 100  # simulated; from there on the test is as good as that of a normal mean
SEED = 20_220_203  # any; the same for all n and m, so that more comparisons never need less


@lru_cache(maxsize=256)
def detectable_difference(n_seeds: int, n_comparisons: int, power: float = POWER) -> float:
    """The true difference that is called in a share ``power`` of cases, in standard deviations of
    the paired differences.

    For normal differences, to about 1 %; beyond MOST_SEEDS it shrinks with the root of their
    number. Infinite where n_seeds can never show any among so many comparisons. Raises ValueError
    for fewer than one comparison.
    """
    simulated = min(n_seeds, MOST_SEEDS)
    # An entry of its own: between two that are infinite there is nothing to interpolate.
    called = np.quantile(called_from(simulated, n_comparisons), power, method="higher")
    return float(called * np.sqrt(simulated / n_seeds)) if n_seeds else float(called)


@lru_cache(maxsize=16)
def called_from(n_seeds: int, n_comparisons: int) -> Floats:
    """The true difference from which on each of SAMPLES samples is called, (SAMPLES,).

    All sign patterns up to 14 seeds, RESAMPLES random ones of each chunk of samples beyond, as the
    test draws them beyond EXACT_SEEDS. Its exact p of 15 to 20 seeds finds differences that are
    smaller by at most 1 % of themselves.
    """
    if n_comparisons < 1:
        raise ValueError(f"no difference can be called among {n_comparisons} comparisons")
    rng = np.random.default_rng(SEED)
    z = rng.standard_normal((SAMPLES, n_seeds), dtype=np.float32)
    found = np.full(SAMPLES, np.inf)
    for start in range(0, SAMPLES, CHUNK):
        flips, total = _patterns(n_seeds, rng)
        # The pattern without flips always counts, and is not among them.
        most_left = int(np.ceil(LEVEL / n_comparisons * total)) - 2
        if most_left < 0:
            break
        falls = _falls_away(z[start : start + CHUNK], flips)
        place = falls.shape[1] - 1 - most_left
        found[start : start + CHUNK] = np.partition(falls, place, axis=1)[:, place]
    return found


def _patterns(n_seeds: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], int]:
    """Patterns beside the one without flips, and by what number p divides: (K, n), scalar."""
    of_all = 2 ** max(n_seeds - 1, 0)
    if of_all <= RESAMPLES:
        # The last sign is fixed: a pattern and its negative are as far from zero.
        numbers = np.arange(1, of_all)[:, None]
        return ((numbers >> np.arange(n_seeds)) & 1).astype(np.float32), of_all
    drawn = rng.integers(0, 2, size=(RESAMPLES, n_seeds))
    return drawn.astype(np.float32), 1 + RESAMPLES


def _falls_away(z: NDArray[np.float32], flips: NDArray[np.float32]) -> NDArray[np.float32]:
    """The true difference at which each pattern no longer counts, (B, n), (K, n) -> (B, K)."""
    flipped = flips.sum(axis=1)
    sums = z @ flips.T
    others = z.sum(axis=1, keepdims=True) - sums
    # A drawn pattern may flip none or all: it is the observed one, and always counts.
    with np.errstate(divide="ignore", invalid="ignore"):
        falls: NDArray[np.float32] = np.maximum(-sums / flipped, -others / (z.shape[1] - flipped))
    falls[:, (flipped == 0) | (flipped == z.shape[1])] = np.inf
    return falls

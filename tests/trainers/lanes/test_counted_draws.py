"""Numbers that are a function of a seed and of counters, against the published generator."""

import numpy as np
import pytest
import torch
from scipy import stats

from trainers.lanes.counted_draws import lane_seeds, uniform
from trainers.lanes.seeds import stream

# The first numbers of SplitMix64 from the seed 1234567, as its authors' C code gives them.
SEED = 1234567
PUBLISHED = (
    6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431,
    16408922859458223821,
)  # fmt: skip
WHOLE = 2**64
# The last 11 of 64 bits are left out of a double's fraction.
DROPPED = 11


def _mixed(h: int) -> int:
    h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9 % WHOLE
    h = (h ^ (h >> 27)) * 0x94D049BB133111EB % WHOLE
    return h ^ (h >> 31)


def _expected(seed: int, *counters: int) -> float:
    """The rule in whole numbers of any size."""
    h = seed
    for counter in counters:
        h = _mixed((h + 0x9E3779B97F4A7C15 * (1 + counter)) % WHOLE)
    return (h >> DROPPED) / 2**53


def test_one_counter_counts_the_numbers_of_the_published_generator() -> None:
    found = uniform(torch.tensor([SEED]), torch.arange(len(PUBLISHED)))
    assert found.dtype == torch.float64
    assert found.tolist() == [(number >> DROPPED) / 2**53 for number in PUBLISHED]


def test_counters_follow_one_another_whatever_their_signs() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.integers(-(2**63), 2**63 - 1, 50)
    counters = rng.integers(0, 2**62, (3, 50))
    counters[:, :5] = 0
    found = uniform(torch.as_tensor(seeds), *map(torch.as_tensor, counters))
    expected = [
        _expected(seed % WHOLE, *own)
        for seed, *own in zip(seeds.tolist(), *counters.tolist(), strict=True)
    ]
    assert found.tolist() == expected
    assert uniform(torch.tensor([7]), 3, 5).tolist() == [_expected(7, 3, 5)]
    assert _expected(7, 3, 5) != _expected(7, 5, 3)


def test_seeds_and_counters_broadcast() -> None:
    seeds, step, place = torch.tensor([1, 2]).view(2, 1, 1), torch.arange(3).view(3, 1), 4
    found = uniform(seeds, step, place, torch.arange(5))
    assert found.shape == (2, 3, 5)
    assert found[1, 2, 3] == _expected(2, 2, 4, 3)


def test_a_lane_draws_the_same_whichever_others_there_are() -> None:
    places = torch.arange(100)
    all_lanes = uniform(lane_seeds([5, 9, 11], "negatives").unsqueeze(1), 3, places)
    alone = uniform(lane_seeds([9], "negatives").unsqueeze(1), 3, places)
    assert torch.equal(all_lanes[1:2], alone)
    # Nor does it matter what else is drawn at once.
    assert torch.equal(all_lanes[:, 40:60], uniform(
        lane_seeds([5, 9, 11], "negatives").unsqueeze(1), 3, places[40:60]
    ))  # fmt: skip


def test_seeds_of_lanes_are_streams_of_their_own() -> None:
    assert lane_seeds([5, 9], "a", "b").tolist() == [stream(5, "a", "b"), stream(9, "a", "b")]
    assert not torch.equal(lane_seeds([5, 9], "a"), lane_seeds([5, 9], "b"))


def _even(*x: torch.Tensor, bins: int) -> float:
    """How likely such counts of boxes are where numbers are uniform and know nothing of each
    other."""
    box = sum((own * bins).long() * bins**k for k, own in enumerate(x))
    assert isinstance(box, torch.Tensor)
    counts = torch.bincount(box.flatten(), minlength=bins ** len(x))
    return float(stats.chisquare(counts).pvalue)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_numbers_are_uniform_and_apart(seed: int) -> None:
    """Of lanes with seeds that follow one another, of steps and of places."""
    seeds = lane_seeds([seed, seed + 1], "negatives").view(2, 1, 1)
    x = uniform(seeds, torch.arange(100).view(100, 1), torch.arange(500))
    assert x.min() >= 0
    assert x.max() < 1
    assert _even(x, bins=256) > 1e-3
    assert _even(x[0], x[1], bins=16) > 1e-3
    assert _even(x[:, 1:], x[:, :-1], bins=16) > 1e-3
    assert _even(x[..., 1:], x[..., :-1], bins=16) > 1e-3
    # The last bits that there are.
    assert _even((x * 2**45).frac(), bins=256) > 1e-3

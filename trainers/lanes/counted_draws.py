"""Random numbers that are a function of a seed and of counters, so that they need no state and can
be drawn for all lanes at once.

L lanes.

h <- mix(h + g (1 + counter)) for one counter after the other, from the seed; mix and g are those
of SplitMix64. Source: Steele, Lea and Flood 2014 (OOPSLA), "Fast splittable pseudorandom number
generators"; counters as arguments: Salmon et al. 2011 (SC11).
"""

import torch
from torch import Tensor

from trainers.lanes.seeds import stream

# 2^64 over the golden ratio, and the two multipliers, as signed numbers of 64 bits.
GOLDEN = 0x9E3779B97F4A7C15 - 2**64
FIRST, SECOND = 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64
# Bits of a double's fraction.
FRACTION = 53


def lane_seeds(seeds: list[int], *purpose: str) -> Tensor:
    """A stream of its own for each lane's seed and a purpose, (L,)."""
    return torch.tensor([stream(seed, *purpose) for seed in seeds], dtype=torch.int64)


def uniform(seeds: Tensor, *counters: Tensor | int) -> Tensor:
    """Uniform in [0, 1), double precision, one for each combination of ``seeds`` and counters.

    All are int64 and broadcast; the result has the shape that they have together.
    """
    h = seeds
    for counter in counters:
        # As a tensor a whole number wraps around where one of Python's grows.
        h = _mixed(h + GOLDEN * (torch.as_tensor(counter, device=h.device) + 1))
    return _shifted(h, 64 - FRACTION).double() * 2.0**-FRACTION


def _mixed(h: Tensor) -> Tensor:
    h = (h ^ _shifted(h, 30)) * FIRST
    h = (h ^ _shifted(h, 27)) * SECOND
    return h ^ _shifted(h, 31)


def _shifted(h: Tensor, bits: int) -> Tensor:
    """To the right as if there were no sign."""
    return (h >> bits) & ((1 << (64 - bits)) - 1)

"""Label noise, by kind: how the labels of the training split are corrupted.

y labels (N,), C classes, rate in [0, 1]. Each kind takes and returns labels; the draw is an
argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class NoiseKind:
    """One row of the table of noise kinds; ``corrupt`` gives the chosen examples new labels."""

    corrupt: Callable[[Labels, int, np.random.Generator], Labels]
    summary: str


def corrupt_labels(
    y: Labels, classes: int, kind: str, rate: float, rng: np.random.Generator
) -> Labels:
    """A copy of ``y`` in which round(rate * N) examples, chosen at random, went through ``kind``.

    A fixed count instead of one coin per example keeps the realised rate the same for every seed.
    """
    chosen = rng.permutation(len(y))[: round(rate * len(y))]
    noisy = y.copy()
    noisy[chosen] = NOISE_KINDS[kind].corrupt(y[chosen], classes, rng)
    return noisy


def _symmetric(y: Labels, classes: int, rng: np.random.Generator) -> Labels:
    return (y + rng.integers(1, classes, size=len(y))) % classes


NOISE_KINDS: Mapping[str, NoiseKind] = {
    "symmetric": NoiseKind(
        _symmetric, "any class but the true one, each as likely; the rate is the rate of errors"
    ),
}

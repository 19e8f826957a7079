"""How the learned weights of clean and of corrupted examples are spread.

N training examples, K losses per example.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The bins of every table, whatever the range of its weights, so that tables can be compared.
EDGES = np.linspace(0.0, 2.0, 41)


@dataclass(frozen=True)
class WeightHistogram:
    """Counts of examples (K, bins) between neighbouring ``EDGES``, the last bin with both ends."""

    clean: NDArray[np.int64]
    corrupted: NDArray[np.int64]


def weight_histogram(lam: NDArray[np.floating], corrupted: NDArray[np.bool_]) -> WeightHistogram:
    """From weights (N, K) in [0, 2] and which examples' labels are corrupted (N,)."""
    return WeightHistogram(_counts(lam[~corrupted]), _counts(lam[corrupted]))


def _counts(lam: NDArray[np.floating]) -> NDArray[np.int64]:
    return np.stack([np.histogram(column, EDGES)[0] for column in lam.T])

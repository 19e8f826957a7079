"""From raw numbers, as files have them, to what networks are shown."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Standard:
    """What raw numbers are standardised by: their ``scale``, then mean and standard deviation, one
    for each channel (the first dimension of an input) or one for all."""

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 255.0

    def apply(self, raw: NDArray[Any]) -> NDArray[np.float32]:
        """Raw inputs (n, channels, ...) to (raw / scale - mean) / std."""
        shape = (1, -1, *[1] * (raw.ndim - 2))
        inputs = raw.astype(np.float32)
        inputs /= self.scale
        inputs -= np.asarray(self.mean, dtype=np.float32).reshape(shape)
        inputs /= np.asarray(self.std, dtype=np.float32).reshape(shape)
        return inputs

"""A data set in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Dataset:
    """N examples: ``inputs`` (N, ...) float32, ``labels`` (N,) int64 in [0, classes).

    Inputs of images are (N, channels, height, width). ``official_test``: how many examples, the
    last ones, form the test part as published; 0 where there is none. ``file_labels``: labels (N,)
    from a file of the user's, for noise of the kind ``file``.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int
    official_test: int = 0
    file_labels: NDArray[np.int64] | None = None


class Images(NamedTuple):
    """Images as they are stored: ``pixels`` (n, channels, H, W) uint8, ``labels`` (n,)."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Standard:
    """What images are standardised by, per channel: mean and standard deviation in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def apply(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pixels (n, channels, H, W) in [0, 255] to (pixel / 255 - mean) / std."""
        shape = (1, len(self.mean), 1, 1)
        inputs = pixels.astype(np.float32)
        inputs /= 255
        inputs -= np.asarray(self.mean, dtype=np.float32).reshape(shape)
        inputs /= np.asarray(self.std, dtype=np.float32).reshape(shape)
        return inputs


def of_images(
    train: Sequence[Images], test: Sequence[Images], classes: int, standard: Standard
) -> Dataset:
    """All parts as one data set; those of ``test`` are the official test part."""
    parts = [*train, *test]
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    tests = sum(len(part.labels) for part in test)
    return Dataset(standard.apply(pixels), labels, classes, tests)

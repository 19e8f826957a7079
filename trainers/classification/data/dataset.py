"""A data set of examples that are arrays of numbers, with one class each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.classes.dataset import Check, ClassDataset
from trainers.data.dataset import NOTHING_TOLD, DatasetInfo
from trainers.data.errors import counted
from trainers.data.standard import Standard
from trainers.settings import DataSpec


@dataclass(frozen=True)
class Dataset(ClassDataset):
    """N examples: ``inputs`` (N, ...) float32; of images they are (N, channels, height, width)."""

    inputs: NDArray[np.float32]

    def checks(self) -> Sequence[Check]:
        return (
            self._misfit, self._mislabelled, self._lacking, self._infinite, self._untaught,
            self._unlike_images,
        )  # fmt: skip

    def _misfit(self, spec: DataSpec) -> str | None:
        """Why its inputs are not those of a data set, as code of the user's own may give them."""
        if self.inputs.dtype != np.float32 or self.inputs.ndim < 2:
            return (
                f"its inputs are {self.inputs.dtype} of the shape {self.inputs.shape}; give them "
                "as float32, an example per row"
            )
        return None

    def _infinite(self, spec: DataSpec) -> str | None:
        finite = np.isfinite(self.inputs).reshape(len(self), -1).all(axis=1)
        if finite.all():
            return None
        wrong = np.flatnonzero(~finite)
        return (
            f"its inputs hold NaN or infinity in {counted(len(wrong), 'example')}, the first of "
            f"them {wrong[0]} (counted from 0); remove or fill them"
        )

    def _unlike_images(self, spec: DataSpec) -> str | None:
        """Why training images cannot be changed as is asked for, or None."""
        if spec.options.get("augment", "none") == "none" or self.inputs.ndim == 4:
            return None
        return (
            f"its inputs are of the shape {self.shape}; data.augment needs images (channels, "
            "height, width)"
        )


class Images(NamedTuple):
    """Images as they are stored: ``pixels`` (n, channels, H, W), uint8 or float32 in [0, 255],
    ``labels`` (n,)."""

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    labels: NDArray[np.int64]


def of_images(
    train: Sequence[Images],
    test: Sequence[Images],
    classes: int,
    standard: Standard,
    info: DatasetInfo = NOTHING_TOLD,
) -> Dataset:
    """All parts as one data set; those of ``test`` are the official test part."""
    parts = [*train, *test]
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    tests = sum(len(part.labels) for part in test)
    return Dataset(
        standard.apply(pixels), labels, classes, tests, info=replace(info, standard=standard)
    )

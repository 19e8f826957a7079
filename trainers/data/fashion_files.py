"""The IDX files in which Fashion-MNIST is published: where they are, and what is in them.

The published MD5 sums are of the compressed files, which Debian packs anew; what is checked instead
is gzip's own checksum, every size, and the mean of the training images: MNIST, KMNIST and others
come in files of the same names and sizes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError
from trainers.data.files import holding, not_found, places
from trainers.data.idx import read_idx
from trainers.data.sources import Addresses, DebianPackage, Published

NAME = "fashion_mnist"
FOLDER = "fashion-mnist"
DEBIAN = "/usr/share/datasets/fashion-mnist"
TRAIN = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
TEST = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
# As its README names them.
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
HOME = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"
PUBLISHED = Published(
    folder=FOLDER,
    licence="MIT, Zalando SE",
    terms="https://github.com/zalandoresearch/fashion-mnist",
    sources=(
        DebianPackage(
            "dataset-fashion-mnist", {name: f"{DEBIAN}/{name}" for name in (*TRAIN, *TEST)}
        ),
        Addresses({name: f"{HOME}/{name}" for name in (*TRAIN, *TEST)}, MD5),
    ),
)
CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
CLASSES = len(CLASS_NAMES)
SIDE = 28
# The published training images, their mean where white is 1, and how far another may be from it.
TRAINED_ON, MEAN, TOLERANCE = 60_000, 0.2860, 1e-3


class Clothes(NamedTuple):
    """Grey images (n, 28, 28), white is 255, and their labels (n,), 0 to 9."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def folder_with(names: Sequence[str], folder: str | None) -> Path:
    """Where all files ``names`` are; DataError where they are nowhere."""
    found = holding(names, places(folder, FOLDER, DEBIAN))
    if found is None:
        raise DataError(missing_files(names, folder) or "")
    return found


def missing_files(names: Sequence[str], folder: str | None) -> str | None:
    """What to fetch and where to put it, or None if all of ``names`` are there."""
    folders = places(folder, FOLDER, DEBIAN)
    return None if holding(names, folders) else not_found(names, folders, NAME)


def training_part(folder: Path) -> Clothes:
    """DataError where the files are damaged, or hold another data set."""
    train = _part(folder, *TRAIN)
    mean = float(train.pixels.mean(dtype=np.float64)) / 255
    if len(train.labels) == TRAINED_ON and abs(mean - MEAN) > TOLERANCE:
        raise DataError(
            f"{folder}: its images have the mean {mean:.4f}, those of Fashion-MNIST {MEAN:.4f}; "
            "this is another data set in files of the same names, put Fashion-MNIST into a folder "
            "of its own and name that as data.folder"
        )
    return train


def testing_part(folder: Path) -> Clothes:
    """DataError where the files are damaged."""
    return _part(folder, *TEST)


def _part(folder: Path, images: str, labels: str) -> Clothes:
    pixels, y = read_idx(folder / images, 3), read_idx(folder / labels, 1)
    if pixels.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{folder / images}: holds images of {pixels.shape[1]} x {pixels.shape[2]}, those of "
            f"Fashion-MNIST are {SIDE} x {SIDE}; fetch it again"
        )
    if len(pixels) != len(y):
        raise DataError(
            f"{folder}: {images} holds {len(pixels)} images, {labels} {len(y)} labels; fetch both "
            "again"
        )
    if len(y) and y.max() >= CLASSES:
        raise DataError(f"{folder / labels}: holds the label {y.max()}, the classes are 0 to 9")
    return Clothes(pixels, y.astype(np.int64))

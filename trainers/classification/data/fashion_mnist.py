"""Fashion-MNIST, from the IDX files in which it is published.

The published MD5 sums are of the compressed files, which Debian packs anew; what is checked instead
is gzip's own checksum, every size, and the mean of the training images: MNIST, KMNIST and others
come in files of the same names and sizes.
"""

from pathlib import Path

import numpy as np

from trainers.classification.data.dataset import Dataset, Images, of_images
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError
from trainers.data.files import holding, not_found, places
from trainers.data.idx import read_idx
from trainers.data.sources import Addresses, DebianPackage, Published
from trainers.data.standard import Standard

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
# By the word that stands for it, the side of images: as published, or of means of squares.
PUBLISHED_SIZE = "28x28"
SIZES = {PUBLISHED_SIZE: SIDE, "14x14": 14, "7x7": 7}
# The published training images, and how far their mean may be from that of STANDARD.
TRAINED_ON, TOLERANCE = 60_000, 1e-3
# Of the 60,000 training images.
STANDARD = Standard(mean=(0.2860,), std=(0.3530,))


def fashion_mnist(folder: str | None = None, size: str = PUBLISHED_SIZE) -> Dataset:
    """Grey images (N, 1, side, side), standardised; the official test part last."""
    found = holding([*TRAIN, *TEST], places(folder, FOLDER, DEBIAN))
    if found is None:
        raise DataError(missing_fashion_mnist(folder) or "")
    train = _part(found, *TRAIN)
    mean = float(train.pixels.mean(dtype=np.float64)) / 255
    if len(train.labels) == TRAINED_ON and abs(mean - STANDARD.mean[0]) > TOLERANCE:
        raise DataError(
            f"{found}: its images have the mean {mean:.4f}, those of Fashion-MNIST "
            f"{STANDARD.mean[0]:.4f}; this is another data set in files of the same names, put "
            "Fashion-MNIST into a folder of its own and name that as data.folder"
        )
    info = DatasetInfo(class_names=CLASS_NAMES)
    parts = [_pooled(part, SIZES[size]) for part in (train, _part(found, *TEST))]
    return of_images(parts[:1], parts[1:], CLASSES, STANDARD, info)


def shape_of_images(size: str = PUBLISHED_SIZE, **others: object) -> tuple[int, int, int]:
    """The shape of one image."""
    return 1, SIZES[size], SIZES[size]


def missing_fashion_mnist(folder: str | None = None, **others: object) -> str | None:
    """What to fetch and where to put it, or None if all files are there."""
    folders = places(folder, FOLDER, DEBIAN)
    if holding([*TRAIN, *TEST], folders):
        return None
    return not_found([*TRAIN, *TEST], folders, "fashion_mnist")


def _pooled(part: Images, side: int) -> Images:
    if side == SIDE:
        return part
    pool = SIDE // side
    n, channels, height, width = part.pixels.shape
    squares = part.pixels.reshape(n, channels, height // pool, pool, width // pool, pool)
    return Images(squares.mean(axis=(3, 5), dtype=np.float32), part.labels)


def _part(folder: Path, images: str, labels: str) -> Images:
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
    return Images(pixels[:, None], y.astype(np.int64))

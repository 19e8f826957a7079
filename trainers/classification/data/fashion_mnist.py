"""Fashion-MNIST, from the IDX files in which it is published."""

import numpy as np

from trainers.classification.data.dataset import Dataset, Images, of_images
from trainers.data.dataset import DatasetInfo
from trainers.data.fashion_files import (
    CLASS_NAMES,
    CLASSES,
    MEAN,
    SIDE,
    TEST,
    TRAIN,
    Clothes,
    folder_with,
    missing_files,
    testing_part,
    training_part,
)
from trainers.data.standard import Standard

# By the word that stands for it, the side of images: as published, or of means of squares.
PUBLISHED_SIZE = "28x28"
SIZES = {PUBLISHED_SIZE: SIDE, "14x14": 14, "7x7": 7}
# Of the 60,000 training images.
STANDARD = Standard(mean=(MEAN,), std=(0.3530,))


def fashion_mnist(folder: str | None = None, size: str = PUBLISHED_SIZE) -> Dataset:
    """Grey images (N, 1, side, side), standardised; the official test part last."""
    found = folder_with([*TRAIN, *TEST], folder)
    train, test = (_pooled(part(found), SIZES[size]) for part in (training_part, testing_part))
    info = DatasetInfo(class_names=CLASS_NAMES)
    return of_images([train], [test], CLASSES, STANDARD, info)


def shape_of_images(size: str = PUBLISHED_SIZE, **others: object) -> tuple[int, int, int]:
    """The shape of one image."""
    return 1, SIZES[size], SIZES[size]


def missing_fashion_mnist(folder: str | None = None, **others: object) -> str | None:
    """What to fetch and where to put it, or None if all files are there."""
    return missing_files([*TRAIN, *TEST], folder)


def _pooled(part: Clothes, side: int) -> Images:
    pixels = part.pixels[:, None]
    if side == SIDE:
        return Images(pixels, part.labels)
    pool = SIDE // side
    n, channels, height, width = pixels.shape
    squares = pixels.reshape(n, channels, height // pool, pool, width // pool, pool)
    return Images(squares.mean(axis=(3, 5), dtype=np.float32), part.labels)

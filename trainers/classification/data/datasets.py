"""DATASETS: every data set of the task, in one table.

Free of torch, and of whatever only one loader needs, so that a spec can be checked without it.
"""

from collections.abc import Callable, Mapping
from functools import partial

from trainers.classification.data.cifar import (
    CIFAR10,
    CIFAR100,
    load_cifar,
    missing_cifar,
    published,
)
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.fashion_mnist import (
    SIZES,
    fashion_mnist,
    missing_fashion_mnist,
    shape_of_images,
)
from trainers.classification.data.image_folder import image_folder, missing_image_folder
from trainers.classification.data.npz import npz
from trainers.classification.data.synthetic import blobs, gaussian_mixture, spiral
from trainers.classification.data.tables import csv, jsonl, parquet, tsv
from trainers.data.arrays import missing_file
from trainers.data.dataset import DatasetInfo
from trainers.data.fashion_files import PUBLISHED
from trainers.data.handwritten import handwritten_digits
from trainers.data.standard import Standard
from trainers.entries import DatasetEntry, Shape
from trainers.fields import Field

TASK = "classification"
AUGMENT = Field(
    "augment", "choice", "none", "how training images are changed, anew for every batch: cropped "
    "at random and mirrored, or not", "He et al. 2016, arXiv 1512.03385",
    choices=("none", "crop_flip"),
)  # fmt: skip
FOLDER = Field(
    "folder", "path", None, "where its files are; by default $ALMKD_DATA and the usual places",
    "own", example="~/data",
)  # fmt: skip
SIZE = Field(
    "size", "choice", "28x28", "of the images: as published, or with the mean of squares of pixels "
    "in their place", "own", choices=tuple(SIZES),
)  # fmt: skip
PATH = Field("path", "path", None, "the file", "the user's", required=True, example="data.npz")
TABLE = (
    PATH,
    Field("label", "text", "label", "the column of labels", "the user's"),
    Field("drop", "names", None, "columns that are left out", "the user's", example=["id"]),
)
TEXT = (
    Field("decimal", "choice", ".", "the decimal mark", "the user's", choices=(".", ",")),
    Field("encoding", "text", "utf-8", "the encoding", "Python's names of encodings"),
)


def _count(name: str, default: int, meaning: str, low: int, high: float = float("inf")) -> Field:
    return Field(name, "int", default, meaning, "ALM-KD's authors", unit=name, low=low, high=high)


def _made_up(examples: int, classes: int, features: int | None = None) -> tuple[Field, ...]:
    """Sizes of a data set that is made up."""
    sizes = [
        _count("examples", examples, "how many", 1),
        _count("classes", classes, "how many", 2, 10_000),
    ]
    if features is not None:
        sizes.append(_count("features", features, "how many", 1, 10_000))
    return tuple(sizes)


def _spread(default: float, meaning: str, unit: str) -> Field:
    return Field(
        "spread", "float", default, meaning, "made up here", unit=unit, low=0.0, open_low=True
    )


def _always(*sizes: int) -> Callable[..., Shape]:
    def shape(**options: object) -> Shape:
        return sizes

    return shape


def _counted(examples: int, classes: int) -> Callable[..., tuple[int, int]]:
    def counts(**options: object) -> tuple[int, int]:
        return examples, classes

    return counts


def _never(**options: object) -> bool:
    return False


def _digits() -> Dataset:
    pixels, digits = handwritten_digits()
    standard = Standard(scale=16)
    inputs = standard.apply(pixels.reshape(-1, 1, 8, 8))
    return Dataset(
        inputs,
        digits,
        classes=10,
        info=DatasetInfo(standard=standard),
    )


DATASETS: Mapping[str, DatasetEntry] = {
    "digits": DatasetEntry(
        _digits,
        "1,797 handwritten digits, 8x8 grey levels scaled to [0, 1], 10 classes",
        "scikit-learn's load_digits (UCI optical recognition of handwritten digits, test part)",
        TASK,
        treatment=(AUGMENT,),
        shape=_always(1, 8, 8),
        counts=_counted(1797, 10),
        may_change=_never,
        # 2 for 7, 3 for 8, 5 and 6 for each other, 7 for 1: MNIST's, Patrini et al. 2017.
        noise_defaults={"class_map": ((2, 7), (3, 8), (5, 6), (6, 5), (7, 1))},
    ),
    "synthetic_gmm": DatasetEntry(
        gaussian_mixture,
        "one Gaussian per class at a corner of a hypercube, 20 classes, 14 features",
        "scikit-learn's make_classification with the settings of ALM-KD's authors",
        TASK,
        fields=(
            *_made_up(10_000, 20, 14),
            Field("separation", "float", 1.0, "half the side of the hypercube",
                  "ALM-KD's authors", low=0.0, open_low=True),
        ),
        shape=lambda features, **others: (features,),
        counts=lambda examples, classes, **others: (examples, classes),
        may_change=_never,
    ),
    "spiral": DatasetEntry(
        spiral,
        "4 arms in the plane that wind around each other",
        "made up here, after the spiral of ALM-KD's authors",
        TASK,
        fields=(*_made_up(6000, 4), _spread(0.2, "jitter of the angle", "radians")),
        shape=_always(2),
        counts=lambda examples, classes, **others: (examples, classes),
        may_change=_never,
    ),
    "blobs": DatasetEntry(
        blobs,
        "a round Gaussian per class, 8 in the plane by default",
        "made up here, after the blobs of ALM-KD's authors",
        TASK,
        fields=(*_made_up(5000, 8, 2), _spread(1.0, "standard deviation of a blob", "")),
        shape=lambda features, **others: (features,),
        counts=lambda examples, classes, **others: (examples, classes),
        may_change=_never,
    ),
    "fashion_mnist": DatasetEntry(
        fashion_mnist,
        "70,000 grey images of clothes, 28x28, 10 classes",
        "Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747",
        TASK,
        fields=(FOLDER, SIZE),
        treatment=(AUGMENT,),
        official_test=True,
        missing=missing_fashion_mnist,
        published=PUBLISHED,
        shape=shape_of_images,
        counts=_counted(70_000, 10),
    ),
    "cifar10": DatasetEntry(
        partial(load_cifar, CIFAR10),
        "60,000 colour photographs, 32x32, 10 classes",
        "Krizhevsky 2009, the archive for Python",
        TASK,
        fields=(FOLDER,),
        treatment=(AUGMENT,),
        official_test=True,
        missing=partial(missing_cifar, CIFAR10),
        published=published(CIFAR10),
        shape=_always(3, 32, 32),
        counts=_counted(60_000, 10),
        # Its archive has to have the published MD5.
        may_change=_never,
        # Truck for automobile, bird for aeroplane, deer for horse, cat and dog for each other:
        # Patrini et al. 2017, arXiv 1609.03683.
        noise_defaults={"class_map": ((9, 1), (2, 0), (4, 7), (3, 5), (5, 3))},
    ),
    "cifar100": DatasetEntry(
        partial(load_cifar, CIFAR100),
        "60,000 colour photographs, 32x32, 100 classes",
        "Krizhevsky 2009, the archive for Python",
        TASK,
        fields=(FOLDER,),
        treatment=(AUGMENT,),
        official_test=True,
        missing=partial(missing_cifar, CIFAR100),
        published=published(CIFAR100),
        shape=_always(3, 32, 32),
        counts=_counted(60_000, 100),
        may_change=_never,
    ),
    "image_folder": DatasetEntry(
        image_folder,
        "images in a folder per class, resized to squares",
        "the user's; Stanford Cars and FGVC-Aircraft put that way",
        TASK,
        fields=(
            Field("folder", "path", None, "the folder that holds a folder per class",
                  "the user's", required=True, example="~/pictures"),
            Field("image_size", "int", 96, "side of the squares", "ALM-KD's authors",
                  unit="pixels", low=1, high=1024),
        ),
        treatment=(AUGMENT,),
        official_test=True,
        missing=missing_image_folder,
        shape=lambda image_size, **others: (3, image_size, image_size),
    ),
    "npz": DatasetEntry(
        npz,
        "arrays inputs and labels of an .npz file",
        "the user's",
        TASK,
        fields=(PATH,),
        treatment=(AUGMENT,),
        official_test=True,
        missing=missing_file,
    ),
    "parquet": DatasetEntry(
        parquet,
        "a table of numbers with a column of labels",
        "the user's",
        TASK,
        split_column=True,
        fields=TABLE,
        missing=missing_file,
    ),
    "csv": DatasetEntry(
        csv,
        "a table of numbers with a column of labels, as delimited text",
        "the user's",
        TASK,
        split_column=True,
        fields=(
            *TABLE,
            Field("delimiter", "choice", ",", "what separates fields", "the user's",
                  choices=(",", ";", "|")),
            *TEXT,
        ),
        missing=missing_file,
    ),
    "tsv": DatasetEntry(
        tsv,
        "the same, delimited by tabs",
        "the user's",
        TASK,
        split_column=True,
        fields=(*TABLE, *TEXT),
        missing=missing_file,
    ),
    "jsonl": DatasetEntry(
        jsonl,
        "the same, an object of JSON a line",
        "the user's",
        TASK,
        split_column=True,
        fields=TABLE,
        missing=missing_file,
    ),
}  # fmt: skip

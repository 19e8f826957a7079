"""DATASETS: every data set that a sweep can name, in one table.

Free of torch, and of whatever only one loader needs, so that a spec can be checked without it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from trainers.classification.data.cifar import CIFAR10, CIFAR100, load_cifar, missing_cifar
from trainers.classification.data.dataset import Dataset as Dataset
from trainers.classification.data.image_folder import image_folder, missing_image_folder
from trainers.classification.data.synthetic import blobs, gaussian_mixture, spiral
from trainers.data.arrays import missing_file, npz, parquet, read_labels
from trainers.data.errors import DataError
from trainers.data.idx import fashion_mnist, missing_fashion_mnist
from trainers.data.noise import noise_problem
from trainers.data.splits import deal
from trainers.settings import DataSpec, Labels, Option

# Which examples a part of a data set holds; no seed of a sweep is used, as for the whole.
SUBSET_SEED = 0


Shape = tuple[int, ...]


def _nothing_missing(**options: object) -> str | None:
    return None


def _as_the_file_says(**options: object) -> Shape | None:
    return None


def _always(*sizes: int) -> Callable[..., Shape]:
    def shape(**options: object) -> Shape:
        return sizes

    return shape


@dataclass(frozen=True)
class DatasetEntry:
    """One row of the table.

    ``load`` and ``missing`` (what to fetch and where to put it, if anything) take the options as
    keywords: ``options`` with their defaults, and those of ``needs``, which have none. ``images``
    may be cropped and flipped. ``official_test``: whether it has, or can have, an official test
    part. Every data set takes ``examples`` besides: a part of it, where it is not an option.
    ``shape``: that of one input, or None where only its file tells.
    """

    load: Callable[..., Dataset]
    summary: str
    source: str
    options: Mapping[str, Option | None] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    images: bool = False
    official_test: bool = False
    missing: Callable[..., str | None] = _nothing_missing
    shape: Callable[..., Shape | None] = _as_the_file_says

    @property
    def takes(self) -> tuple[str, ...]:
        """Every option that may be given."""
        return tuple(dict.fromkeys(["examples", *self.needs, *self.options]))


def load_dataset(spec: DataSpec) -> Dataset:
    """The data set that ``spec`` names; DataError if it is missing or cannot be used."""
    entry = DATASETS[spec.dataset]
    if problem := missing(spec):
        raise DataError(problem)
    options = _options(spec)
    part = None if "examples" in entry.options else options.pop("examples", None)
    dataset = entry.load(**options)
    _check(dataset, spec)
    if spec.treatment.noise_file:
        dataset = replace(dataset, file_labels=_file_labels(dataset, spec))
    return dataset if part is None else _subset(dataset, int(part))


def input_shape(spec: DataSpec) -> Shape | None:
    """The shape of one input, or None where only a file of the user's tells; reads nothing."""
    return DATASETS[spec.dataset].shape(**_options(spec))


def missing(spec: DataSpec) -> str | None:
    """What has to be fetched before ``spec`` can be loaded, and where to put it; None if nothing.

    Looks for files and reads none.
    """
    options = _options(spec)
    options.pop("examples", None)
    problem = DATASETS[spec.dataset].missing(**options)
    if problem is None and spec.treatment.noise_file:
        found = missing_file(spec.treatment.noise_file)
        return found and found.replace("data.path", "conditions.noise_file")
    return problem and f"{spec.dataset}: {problem}"


def unusable(dataset: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    """Why ``labels`` cannot be had on a data set that was loaded, or None."""
    pool = len(dataset.labels)
    if spec.fractions.test is None:
        pool -= dataset.official_test
    given = None if dataset.file_labels is None else dataset.file_labels[:pool]
    return noise_problem(
        dataset.labels[:pool], dataset.classes, labels, given, spec.treatment.class_map
    )


def _options(spec: DataSpec) -> dict[str, Any]:
    return {**DATASETS[spec.dataset].options, **spec.options}


def _check(dataset: Dataset, spec: DataSpec) -> None:
    """DataError where no student could be trained on this."""
    name = spec.dataset
    if not len(dataset.labels) or dataset.classes < 2:
        raise DataError(
            f"{name}: {len(dataset.labels)} examples of {dataset.classes} classes; at least two "
            "classes with examples are needed"
        )
    _check_every_class(dataset, name)
    if not np.isfinite(dataset.inputs).all():
        raise DataError(f"{name}: its inputs hold NaN or infinity; remove or fill them")
    if spec.fractions.test is None and not dataset.official_test:
        raise DataError(
            f"{name}: holds no official test part; give data.splits.test a share instead"
        )
    if spec.treatment.augment != "none" and dataset.inputs.ndim != 4:
        raise DataError(
            f"{name}: its inputs are of the shape {dataset.inputs.shape[1:]}; data.augment needs "
            "images (channels, height, width)"
        )


def _check_every_class(dataset: Dataset, name: str) -> None:
    empty = np.flatnonzero(np.bincount(dataset.labels, minlength=dataset.classes) == 0)
    if len(empty):
        raise DataError(
            f"{name}: {len(dataset.labels)} examples leave class {empty[0]} with none; use more "
            "examples or fewer classes"
        )


def _file_labels(dataset: Dataset, spec: DataSpec) -> Any:
    """The labels of the noise file for every example; for an official test part the true ones."""
    file = spec.treatment.noise_file
    labels = read_labels(file)
    total, train = len(dataset.labels), len(dataset.labels) - dataset.official_test
    if len(labels) == train and spec.fractions.test is None:
        labels = np.concatenate([labels, dataset.labels[train:]])
    if len(labels) != total:
        hint = " (or splits.test: official, if they are those of the training part)"
        raise DataError(
            f"{file}: holds {len(labels)} labels; {spec.dataset} has {total} examples and needs as "
            f"many{hint if len(labels) == train else ''}"
        )
    if ((labels < 0) | (labels >= dataset.classes)).any():
        raise DataError(
            f"{file}: holds labels from {labels.min()} to {labels.max()}; classes are 0 to "
            f"{dataset.classes - 1}"
        )
    return labels


def _subset(dataset: Dataset, examples: int) -> Dataset:
    """``examples`` of a data set, always the same, with the shares of classes and parts kept."""
    n, tests = len(dataset.labels), dataset.official_test
    if examples > n:
        raise DataError(f"data.examples: {examples} are asked for, there are {n}; lower it")
    kept_tests = round(examples * tests / n)
    parts = ((0, n - tests, examples - kept_tests), (n - tests, n, kept_tests))
    rng = np.random.default_rng(SUBSET_SEED)
    rows = np.concatenate(
        [
            start + np.sort(deal(dataset.labels[start:stop], rng)[:keep])
            for start, stop, keep in parts
        ]
    )
    given = None if dataset.file_labels is None else dataset.file_labels[rows]
    chosen = Dataset(dataset.inputs[rows], dataset.labels[rows], dataset.classes, kept_tests, given)
    _check_every_class(chosen, "data.examples")
    return chosen


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    inputs = np.asarray(bunch.data / 16.0, dtype=np.float32).reshape(-1, 1, 8, 8)
    return Dataset(inputs, np.asarray(bunch.target, dtype=np.int64), classes=10)


DATASETS: Mapping[str, DatasetEntry] = {
    "digits": DatasetEntry(
        _digits,
        "1,797 handwritten digits, 8x8 grey levels scaled to [0, 1], 10 classes",
        "scikit-learn's load_digits (UCI optical recognition of handwritten digits, test part)",
        images=True,
        shape=_always(1, 8, 8),
    ),
    "synthetic_gmm": DatasetEntry(
        gaussian_mixture,
        "one Gaussian per class at a corner of a hypercube, 20 classes, 14 features",
        "scikit-learn's make_classification with the settings of ALM-KD's authors",
        options={"examples": 10_000, "classes": 20, "features": 14, "separation": 1.0},
        shape=lambda features, **others: (features,),
    ),
    "spiral": DatasetEntry(
        spiral,
        "4 arms in the plane that wind around each other",
        "made up here, after the spiral of ALM-KD's authors",
        options={"examples": 6000, "classes": 4, "spread": 0.2},
        shape=_always(2),
    ),
    "blobs": DatasetEntry(
        blobs,
        "a round Gaussian per class, 8 in the plane by default",
        "made up here, after the blobs of ALM-KD's authors",
        options={"examples": 5000, "classes": 8, "features": 2, "spread": 1.0},
        shape=lambda features, **others: (features,),
    ),
    "fashion_mnist": DatasetEntry(
        fashion_mnist,
        "70,000 grey images of clothes, 28x28, 10 classes",
        "Xiao, Rasul and Vollgraf 2017, arXiv 1708.07747",
        options={"folder": None},
        images=True,
        official_test=True,
        missing=missing_fashion_mnist,
        shape=_always(1, 28, 28),
    ),
    "cifar10": DatasetEntry(
        partial(load_cifar, CIFAR10),
        "60,000 colour photographs, 32x32, 10 classes",
        "Krizhevsky 2009, the archive for Python",
        options={"folder": None},
        images=True,
        official_test=True,
        missing=partial(missing_cifar, CIFAR10),
        shape=_always(3, 32, 32),
    ),
    "cifar100": DatasetEntry(
        partial(load_cifar, CIFAR100),
        "60,000 colour photographs, 32x32, 100 classes",
        "Krizhevsky 2009, the archive for Python",
        options={"folder": None},
        images=True,
        official_test=True,
        missing=partial(missing_cifar, CIFAR100),
        shape=_always(3, 32, 32),
    ),
    "image_folder": DatasetEntry(
        image_folder,
        "images in a folder per class, resized to squares",
        "the user's; Stanford Cars and FGVC-Aircraft put that way",
        options={"image_size": 96},
        needs=("folder",),
        images=True,
        official_test=True,
        missing=missing_image_folder,
        shape=lambda image_size, **others: (3, image_size, image_size),
    ),
    "npz": DatasetEntry(
        npz,
        "arrays inputs and labels of an .npz file",
        "the user's",
        needs=("path",),
        images=True,
        official_test=True,
        missing=missing_file,
    ),
    "parquet": DatasetEntry(
        parquet,
        "a table of numbers with a column of labels",
        "the user's",
        options={"label": "label"},
        needs=("path",),
        missing=missing_file,
    ),
}

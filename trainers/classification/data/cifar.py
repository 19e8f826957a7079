"""CIFAR-10 and CIFAR-100, from their official archives for Python.

The archives hold pickles. They are read only after their MD5 was found to be the published one, and
by an unpickler that builds plain values and arrays and refuses everything else.

Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.
"""

import io
import pickle
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.classification.data.dataset import Dataset, Images, of_images
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError
from trainers.data.files import check_md5, holding, not_found, places
from trainers.data.sources import Addresses, Published
from trainers.data.standard import Standard

CHANNELS, SIDE = 3, 32
# Below the data sets of a machine.
FOLDER = "cifar"
# What numpy rebuilds an array with; asked of an array, as its home differs between versions.
_REBUILD = np.empty(0).__reduce__()[0]
_ALLOWED: Mapping[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy._core.multiarray", "_reconstruct"): _REBUILD,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


@dataclass(frozen=True)
class Archive:
    """The published archive of a data set: its files of examples, the key of their labels, its MD5.

    ``standard`` is of the training images; ``class_names`` are empty where they stand in a file
    that is not read.
    """

    dataset: str
    file: str
    md5: str
    train: tuple[str, ...]
    test: str
    labels: str
    classes: int
    standard: Standard
    class_names: tuple[str, ...] = ()


NAMES_10 = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
CIFAR10 = Archive(
    dataset="cifar10",
    file="cifar-10-python.tar.gz",
    md5="c58f30108f718f92721af3b95e74349a",
    train=tuple(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)),
    test="cifar-10-batches-py/test_batch",
    labels="labels",
    classes=10,
    standard=Standard(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    class_names=NAMES_10,
)
CIFAR100 = Archive(
    dataset="cifar100",
    file="cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    train=("cifar-100-python/train",),
    test="cifar-100-python/test",
    labels="fine_labels",
    classes=100,
    standard=Standard(mean=(0.5071, 0.4865, 0.4409), std=(0.2673, 0.2564, 0.2762)),
)


def load_cifar(archive: Archive, folder: str | None = None) -> Dataset:
    """Colour images (N, 3, 32, 32), standardised; the official test part last."""
    found = holding([archive.file], places(folder, FOLDER))
    if found is None:
        raise DataError(missing_cifar(archive, folder) or "")
    path = found / archive.file
    check_md5(path, archive.md5)
    members = _read_members(path, {*archive.train, archive.test})
    train = [_part(archive, f"{path}: {name}", members[name]) for name in archive.train]
    test = _part(archive, f"{path}: {archive.test}", members[archive.test])
    info = DatasetInfo(class_names=archive.class_names)
    return of_images(train, [test], archive.classes, archive.standard, info)


def missing_cifar(archive: Archive, folder: str | None = None) -> str | None:
    """What to fetch and where to put it, or None if the archive is there."""
    folders = places(folder, FOLDER)
    if holding([archive.file], folders):
        return None
    return not_found([archive.file], folders, archive.dataset)


def published(archive: Archive) -> Published:
    """Where it comes from; it stays packed."""
    address = f"https://www.cs.toronto.edu/~kriz/{archive.file}"
    return Published(
        folder=FOLDER,
        licence="none is named; whoever uses it is asked to cite Krizhevsky 2009",
        terms="https://www.cs.toronto.edu/~kriz/cifar.html",
        sources=(Addresses({archive.file: address}, {archive.file: archive.md5}),),
    )


class PlainUnpickler(pickle.Unpickler):
    """Builds numbers, texts, lists, mappings and numpy arrays, and nothing else."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return _ALLOWED[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"asks for {module_name}.{global_name}, which no array of images needs"
            ) from None


def _read_members(path: Path, names: set[str]) -> dict[str, bytes]:
    """The named files of an archive, by name."""
    found = {}
    try:
        with tarfile.open(path, "r:gz") as tar:
            for member in tar:
                if member.name in names and (file := tar.extractfile(member)):
                    found[member.name] = file.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path}: cannot be unpacked: {error}; fetch it again") from None
    if lacking := sorted(names - set(found)):
        raise DataError(f"{path}: lacks {', '.join(lacking)}; fetch it again")
    return found


def _part(archive: Archive, where: str, content: bytes) -> Images:
    """One pickled file of examples; ``where`` names it in messages."""
    try:
        # The pickles are of Python 2, whose texts hold the arrays' bytes.
        batch = PlainUnpickler(io.BytesIO(content), encoding="latin1").load()
        pixels, labels = _checked(batch["data"], batch[archive.labels], archive.classes)
    # A damaged pickle raises almost anything.
    except Exception as error:  # noqa: BLE001
        raise DataError(f"{where}: holds no examples: {error}; fetch the archive again") from None
    return Images(pixels.reshape(-1, CHANNELS, SIDE, SIDE), labels)


def _checked(
    pixels: object, labels: object, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (N, 3072) and labels (N,) if they are that; ValueError if not."""
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise ValueError("its images are no array of bytes")
    if pixels.ndim != 2 or pixels.shape[1] != CHANNELS * SIDE * SIDE:
        raise ValueError(f"its images are of the shape {pixels.shape}")
    if not isinstance(labels, list) or not all(type(y) is int for y in labels):
        raise ValueError("its labels are no list of whole numbers")
    y = np.asarray(labels, dtype=np.int64)
    if len(y) != len(pixels) or ((y < 0) | (y >= classes)).any():
        raise ValueError(f"its labels are not {len(pixels)} numbers from 0 to {classes - 1}")
    return pixels, y

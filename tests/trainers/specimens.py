"""Small files of every kind that a data set can be loaded from."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from trainers.classification.data.cifar import Archive
from trainers.data.fashion_files import TEST, TRAIN
from trainers.settings import DataSpec, NoiseSpec, Option, SplitFractions

FRACTIONS = SplitFractions(0.5, 0.1, 0.2, 0.2)
OFFICIAL = SplitFractions(0.6, 0.2, 0.2, None)


def spec_of(
    name: str,
    options: Mapping[str, Option] | None = None,
    fractions: SplitFractions = FRACTIONS,
    noise: NoiseSpec | None = None,
    task: str = "classification",
) -> DataSpec:
    return DataSpec(name, fractions, options or {}, noise or NoiseSpec(), task)


def options_for(name: str, folder: Path) -> dict[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``."""
    if name == "fashion_mnist":
        write_fashion(folder, 80, 20)
        return {"folder": str(folder)}
    if name == "image_folder":
        write_images(folder, {"cat": 20, "dog": 30})
        return {"folder": str(folder), "image_size": 8}
    if name == "npz":
        labels = np.arange(60) % 3
        np.savez(folder / "a.npz", inputs=noise(60, 1, 3, 4), labels=labels)
        return {"path": str(folder / "a.npz")}
    if name in TABLES:
        columns = {"b": noise(60), "a": np.arange(60), "label": ["x", "y", "z"] * 20}
        TABLES[name](pd.DataFrame(columns), folder / f"a.{name}")
        return {"path": str(folder / f"a.{name}")}
    return {}


# By data set: how a table is written as one.
TABLES: Mapping[str, Callable[[pd.DataFrame, Path], object]] = {
    "parquet": lambda table, path: table.to_parquet(path, index=False),
    "csv": lambda table, path: table.to_csv(path, index=False),
    "tsv": lambda table, path: table.to_csv(path, sep="\t", index=False),
    "jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
}


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(4).normal(size=shape)


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def write_fashion(folder: Path, train: int, test: int) -> dict[str, np.ndarray]:
    """Images whose brightness is their label's; what was written, by file."""
    written = {}
    for (images, labels), n in ((TRAIN, train), (TEST, test)):
        written[labels] = np.arange(n) % 10
        shades = np.random.default_rng(n).integers(0, 20, (n, 28, 28))
        written[images] = shades + 20 * written[labels][:, None, None]
        for name in (images, labels):
            write_idx(folder / name, written[name])
    return written


def write_images(root: Path, classes: Mapping[str, int], size: tuple[int, int] = (12, 9)) -> None:
    """Per class so many images of one colour, the class's own."""
    for c, (name, count) in enumerate(classes.items()):
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", size, (100 * c, i, 7)).save(root / name / f"{i:02}.png")


def write_cifar(folder: Path, archive: Archive, members: Mapping[str, bytes]) -> Archive:
    """An archive of these members, and its description with the MD5 that it has."""
    path = folder / archive.file
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return replace(archive, md5=hashlib.md5(path.read_bytes()).hexdigest())


def cifar_members(archive: Archive, n: int) -> dict[str, bytes]:
    """Members of ``n`` examples each, as a Python of today pickles them."""
    return {
        name: pickle.dumps(
            {"data": cifar_pixels(i, n), archive.labels: [int(y) for y in cifar_labels(n)]},
            protocol=4,
        )
        for i, name in enumerate((*archive.train, archive.test))
    }


def cifar_pixels(member: int, n: int) -> np.ndarray:
    return np.random.default_rng(member).integers(0, 256, (n, 3072)).astype(np.uint8)


def cifar_labels(n: int) -> np.ndarray:
    return np.arange(n) % 10


def python2_pickle(pixels: np.ndarray, key: str, labels: list[int]) -> bytes:
    """A batch as Python 2 pickled it: texts of bytes, numpy by the names that it had then."""

    def text(value: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(value)) + value

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    shape = number(pixels.shape[0]) + number(pixels.shape[1]) + b"\x86"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + number(0) + number(1) + b"\x87R"
    kind += b"(" + number(3) + text(b"|") + b"NNN" + number(-1) * 2 + number(0) + b"tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85"
    array = empty + text(b"b") + b"\x87R"
    array += b"(" + number(1) + shape + kind + b"\x89" + text(pixels.tobytes()) + b"tb"
    listed = b"](" + b"".join(number(y) for y in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(key.encode()) + listed + b"u."


class Evil:
    """Leaves a proof when an open unpickler builds it."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.proof}",)

"""Images in a folder per class, resized to squares: Stanford Cars, FGVC-Aircraft, the user's own.

Either ``folder/<class>/<image>``, or ``folder/train/<class>/<image>`` beside
``folder/test/<class>/<image>``, where the second is the official test part. Classes are numbered in
the order of their names, images come in the order of theirs.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.classification.data.dataset import Dataset, Images, Standard, of_images
from trainers.data.errors import DataError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
PARTS = ("train", "test")
# Of ImageNet's training images, as is usual for photographs.
STANDARD = Standard(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def image_folder(folder: str, image_size: int) -> Dataset:
    """Colour images (N, 3, image_size, image_size), standardised; height and width are stretched.

    Raises DataError where an image cannot be read or a class has none.
    """
    if problem := missing_image_folder(folder, image_size):
        raise DataError(problem)
    root = Path(folder).expanduser()
    if not _is_parted(root):
        names = _folders(root)
        return of_images([_part(root, names, image_size)], [], len(names), STANDARD)
    names = _folders(root / "train")
    strange = sorted(set(_folders(root / "test")) - set(names))
    if strange:
        raise DataError(f"{root / 'test'}: {', '.join(strange)} is no class of {root / 'train'}")
    train, test = (_part(root / part, names, image_size) for part in PARTS)
    return of_images([train], [test], len(names), STANDARD)


def missing_image_folder(folder: str, image_size: int) -> str | None:
    """What has to be where, or None if there are folders of classes."""
    root = Path(folder).expanduser()
    if root.is_dir() and len(_folders(root)) > 1:
        return None
    return (
        f"{root} holds no folder per class; put the images there as <class>/<image>, or as "
        "train/<class>/<image> and test/<class>/<image>, or correct data.folder"
    )


def _is_parted(root: Path) -> bool:
    return _folders(root) == sorted(PARTS)


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _part(root: Path, names: Sequence[str], size: int) -> Images:
    paths: list[Path] = []
    labels: list[int] = []
    for c, name in enumerate(names):
        images = sorted(p for p in (root / name).glob("*") if p.suffix.lower() in SUFFIXES)
        paths += images
        labels += [c] * len(images)
    pixels = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    with ThreadPoolExecutor() as pool:
        for i, image in enumerate(pool.map(lambda path: _read(path, size), paths)):
            pixels[i] = image
    return Images(pixels, np.asarray(labels, dtype=np.int64))


def _read(path: Path, size: int) -> NDArray[np.uint8]:
    """One image (3, size, size)."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{path}: cannot be read as an image: {error}; replace or remove it"
        ) from None
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)

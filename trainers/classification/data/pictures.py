"""Files of images of any kind as squares of colours.

S: side of the squares, in pixels. White is 255, whatever the depth of a file: images of 16 bits a
pixel are divided by 257 and keep their fractions.
"""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError, counted

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8] | NDArray[np.float32]
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
# What 65535 is divided by to give 255.
DEPTH = 257
# Formats whose whole numbers, where they are not bytes, are of 16 bits and reach 65535.
OF_16_BITS = {"PNG", "PPM"}
# Photographs with a second, smaller picture or depth behind them, which nobody means.
ONE_PICTURE = {"MPO"}


class _Read(NamedTuple):
    """One image (3, S, S), and what was odd about its file."""

    pixels: Pixels
    is_deep: bool
    is_transparent: bool
    has_frames: bool


def read_all(paths: Sequence[Path], size: int) -> tuple[Pixels, list[str]]:
    """Images (N, 3, S, S), float32 where one of them is of 16 bits, else uint8; and sentences on
    what they lost."""
    pixels: Pixels = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    deep = transparent = frames = brightest = 0
    with ThreadPoolExecutor() as pool:
        for i, image in enumerate(pool.map(lambda path: _read(path, size), paths)):
            if image.is_deep:
                pixels = pixels.astype(np.float32, copy=False)
                brightest = max(brightest, round(float(image.pixels.max()) * DEPTH))
            pixels[i] = image.pixels
            deep += image.is_deep
            transparent += image.is_transparent
            frames += image.has_frames
    remarks = []
    if deep:
        remarks.append(
            f"{counted(deep, 'image')} of 16 bits, scaled so that 65535 is white; the largest "
            f"value is about {brightest}"
        )
    if transparent:
        remarks.append(
            f"{counted(transparent, 'image')} with transparent parts, of which the colours "
            "beneath were taken; flatten them onto a background if that is what counts"
        )
    if frames:
        remarks.append(f"{counted(frames, 'file')} of several frames or pages: the first was taken")
    return pixels, remarks


def _read(path: Path, size: int) -> _Read:
    from PIL import Image, ImageOps

    # What decoders raise; the last two where what says how an image is turned is damaged.
    unreadable = (
        OSError, ValueError, SyntaxError, Image.DecompressionBombError, TypeError, struct.error,
    )  # fmt: skip
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1) > 1 and image.format not in ONE_PICTURE
            # Read from the file's own head, which a turned copy has no more.
            deep = _is_deep(path, image)
            # As every viewer shows it.
            turned = ImageOps.exif_transpose(image)
            transparent = _is_transparent(path, turned)
            pixels = _deep(turned, size) if deep else _usual(turned, size)
    except unreadable as error:
        raise DataError(
            f"{path}: cannot be read as an image: {error}; replace or remove it"
        ) from None
    return _Read(pixels, deep, transparent, frames)


def _is_deep(path: Path, image: "Image") -> bool:
    """Whether its numbers reach 65535; DataError where nothing says what they reach."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in OF_16_BITS):
        return True
    if image.mode in ("I", "F"):
        kind = "whole numbers of 32 bits" if image.mode == "I" else "floating-point numbers"
        raise DataError(
            f"{path}: holds {kind} (mode {image.mode}), of which nothing says what is white; save "
            "it with 8 or 16 bits a pixel"
        )
    return False


def _is_transparent(path: Path, image: "Image") -> bool:
    """Whether some of it is; DataError where there is nothing else to see in it."""
    if not image.has_transparency_data:
        return False
    alpha = np.asarray(image.convert("RGBA"))
    low, high = alpha[..., 3].min(), alpha[..., 3].max()
    if low == 255:
        return False
    if low < high and (alpha[..., :3] == alpha[0, 0, :3]).all():
        raise DataError(
            f"{path}: is of one colour, its picture is in what is transparent; flatten it onto a "
            "background of another colour"
        )
    return True


def _usual(image: "Image", size: int) -> NDArray[np.uint8]:
    from PIL import Image

    small = image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.uint8).transpose(2, 0, 1)


def _deep(image: "Image", size: int) -> NDArray[np.float32]:
    from PIL import Image

    grey = Image.fromarray(np.asarray(image).astype(np.float32) / DEPTH)
    small = np.asarray(grey.resize((size, size), Image.Resampling.BILINEAR))
    return np.broadcast_to(small, (3, size, size))

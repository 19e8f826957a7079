"""Files of images of any kind as colours of the size that is wanted.

White is 255, whatever the depth of a file: images of 16 bits a pixel are divided by 257 and keep
their fractions. Height stands before width.
"""

import struct
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Condition
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError, counted

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8] | NDArray[np.float32]
SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}
# What archives of macOS hold beside their content.
MACOS = "__MACOSX"
# What systems leave in folders, without a dot before it.
LEFTOVERS = {"thumbs.db", "desktop.ini"}
# Of red, green and blue in a grey level, ITU-R BT.601.
LUMA = (0.299, 0.587, 0.114)
# What 65535 is divided by to give 255.
DEPTH = 257
# Formats whose whole numbers, where they are not bytes, are of 16 bits and reach 65535.
OF_16_BITS = {"PNG", "PPM"}
# The tag of EXIF that says how an image is turned, and its values where it is.
ORIENTATION, TURNED = 0x0112, range(2, 9)
# Photographs with a second, smaller picture or depth behind them, which nobody means.
ONE_PICTURE = {"MPO"}
# How many pixels an image may have, and how many all images may that are decoded at one time: it
# takes 4 bytes for each, up to 12 where they are deep, transparent or turned.
MOST_PIXELS = 2**27


class Wanted(NamedTuple):
    """What an image becomes: so many pixels, out of ``seen`` (height, width) pixels of it, from its
    left upper corner."""

    height: int
    width: int
    seen: tuple[float, float]


# From the height and the width of an image, as viewers show it.
Size = Callable[[int, int], Wanted]


class FileFacts(NamedTuple):
    """What a file of an image is.

    ``size``: height and width of the whole as viewers show it; ``stored``: as they are in the file,
    which its EXIF orientation may exchange; ``is_turned``: whether there is one. ``brightest``:
    about the largest value, of an image of 16 bits; else None.
    """

    size: tuple[int, int]
    stored: tuple[int, int]
    is_turned: bool
    brightest: int | None
    is_transparent: bool
    has_frames: bool


class Picture(NamedTuple):
    """The pixels (3, height, width) of an image, and what its file is."""

    pixels: Pixels
    file: FileFacts


class Losses:
    """What images lost on their way, counted."""

    def __init__(self) -> None:
        self._deep = self._transparent = self._frames = self._brightest = 0

    def add(self, file: FileFacts) -> None:
        """Whatever this one lost."""
        if file.brightest is not None:
            self._deep += 1
            self._brightest = max(self._brightest, file.brightest)
        self._transparent += file.is_transparent
        self._frames += file.has_frames

    def told(self) -> list[str]:
        """A sentence on each loss."""
        remarks = []
        if self._deep:
            remarks.append(
                f"{counted(self._deep, 'image')} of 16 bits, scaled so that 65535 is white; the "
                f"largest value is about {self._brightest}"
            )
        if self._transparent:
            remarks.append(
                f"{counted(self._transparent, 'image')} with transparent parts, of which the "
                "colours beneath were taken; flatten them onto a background if that is what counts"
            )
        if self._frames:
            remarks.append(
                f"{counted(self._frames, 'file')} of several frames or pages: the first was taken"
            )
        return remarks


def is_hidden(path: Path) -> bool:
    """Whether a system left it there."""
    return path.name.startswith(".") or path.name == MACOS or path.name.lower() in LEFTOVERS


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and in those in it, in the order of their names, what systems left
    there aside; DataError where it cannot be read."""
    try:
        inside = sorted(folder.rglob("*"))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}; allow it") from None
    seen = [path for path in inside if not any(map(is_hidden, (path, *_between(path, folder))))]
    return [path for path in seen if not path.is_dir()]


def _between(inner: Path, root: Path) -> list[Path]:
    """The folders from ``root``, which is left out, to ``inner``."""
    return [root / parent for parent in inner.relative_to(root).parents if parent.name]


def in_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    """Colours (..., 3, height, width), or the grey level of each pixel (..., 1, height, width)."""
    if channels == 3:
        return pixels
    grey = np.tensordot(pixels.astype(np.float64), LUMA, axes=(-3, 0))[..., None, :, :]
    return grey.astype(np.float32) if pixels.dtype.kind == "f" else np.rint(grey).astype(np.uint8)


def read_all(paths: Sequence[Path], size: int) -> tuple[Pixels, list[str]]:
    """Images (N, 3, size, size), stretched to squares, float32 where one of them is of 16 bits,
    else uint8; and sentences on what they lost."""
    pixels: Pixels = np.empty((len(paths), 3, size, size), dtype=np.uint8)
    losses = Losses()
    for i, picture in enumerate(read_each(paths, lambda *whole: Wanted(size, size, whole))):
        if picture.file.brightest is not None:
            pixels = pixels.astype(np.float32, copy=False)
        pixels[i] = picture.pixels
        losses.add(picture.file)
    return pixels, losses.told()


class _Room:
    """For the pixels of images that are decoded at one time."""

    def __init__(self, pixels: int) -> None:
        self._left = pixels
        self._changed = Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        """Waits until there is room for so many, which is there for as long as the block runs."""
        with self._changed:
            self._changed.wait_for(lambda: pixels <= self._left)
            self._left -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._left += pixels
                self._changed.notify_all()


def read_each(paths: Sequence[Path], size: Size) -> Generator[Picture, None, None]:
    """Images one after the other; DataError at one that cannot be read."""
    room = _Room(MOST_PIXELS)
    with ThreadPoolExecutor() as pool:
        yield from pool.map(lambda path: _read(path, size, room), paths)


def _read(path: Path, size: Size, room: _Room) -> Picture:
    from PIL import Image

    # What decoders raise; the last two where what says how an image is turned is damaged.
    unreadable = (
        OSError, ValueError, SyntaxError, Image.DecompressionBombError, TypeError, struct.error,
    )  # fmt: skip
    try:
        with Image.open(path) as image:
            count = image.width * image.height
            if count > MOST_PIXELS:
                raise DataError(
                    f"{path}: has {count / 1e6:.0f} million pixels, and {MOST_PIXELS / 1e6:.0f} "
                    "are read at most; shrink it"
                )
            with room.of(count):
                return _decoded(path, image, size)
    except unreadable as error:
        raise DataError(
            f"{path}: cannot be read as an image: {error}; replace or remove it"
        ) from None


def _decoded(path: Path, image: "Image", size: Size) -> Picture:
    from PIL import ImageOps

    frames = getattr(image, "n_frames", 1) > 1 and image.format not in ONE_PICTURE
    # Read from the file's own head, which a turned copy has no more.
    deep = _is_deep(path, image)
    is_turned = image.getexif().get(ORIENTATION) in TURNED
    stored = image.height, image.width
    image.load()
    # As every viewer shows it; what is not turned would be copied for nothing.
    turned = ImageOps.exif_transpose(image) if is_turned else image
    transparent = _is_transparent(path, turned)
    wanted = size(turned.height, turned.width)
    pixels: Pixels = _deep(turned, wanted) if deep else _usual(turned, wanted)
    brightest = round(float(pixels.max()) * DEPTH) if deep else None
    whole = turned.height, turned.width
    return Picture(pixels, FileFacts(whole, stored, is_turned, brightest, transparent, frames))


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
    # Of each channel: the least and the largest value.
    extremes: Any = image.convert("RGBA").getextrema()
    *colours, (low, high) = extremes
    if low == 255:
        return False
    if low < high and all(darkest == brightest for darkest, brightest in colours):
        raise DataError(
            f"{path}: is of one colour, its picture is in what is transparent; flatten it onto a "
            "background of another colour"
        )
    return True


def _usual(image: "Image", wanted: Wanted) -> NDArray[np.uint8]:
    colours = image if image.mode == "RGB" else image.convert("RGB")
    return np.asarray(_resized(colours, wanted), dtype=np.uint8).transpose(2, 0, 1)


def _deep(image: "Image", wanted: Wanted) -> NDArray[np.float32]:
    from PIL import Image

    levels = np.asarray(image).astype(np.float32)
    levels /= DEPTH
    grey = Image.fromarray(levels)
    return np.broadcast_to(np.asarray(_resized(grey, wanted)), (3, wanted.height, wanted.width))


def _resized(image: "Image", wanted: Wanted) -> "Image":
    from PIL import Image

    height, width = wanted.seen
    size = (wanted.width, wanted.height)
    return image.resize(size, Image.Resampling.BILINEAR, box=(0, 0, width, height))

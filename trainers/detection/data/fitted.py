"""Pictures of any size and shape in squares: shrunk until the longer side fits, never enlarged.

N pictures of K channels, S: side of the squares. A picture stands at the left upper corner; what
is to the right and below is filled with one colour. All of it is shrunk by one number, so that
boxes keep their shape: of the shorter side less than a pixel, as shown, may be cut off.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError
from trainers.data.pictures import FileFacts, Wanted, in_channels, read_each

# Of the memory of a machine, what pictures may take.
MOST_OF_MEMORY = 0.5
GIB = 2**30


class Fit(NamedTuple):
    """What a picture is in a square: so many pixels, each of ``1 / scale`` pixels of the original;
    ``file``: what that is."""

    height: int
    width: int
    scale: float
    file: FileFacts

    @property
    def seen(self) -> tuple[float, float]:
        """The height and the width of the original that can be seen."""
        return _seen(self.file.size, self.scale, (self.height, self.width))


def read_fitted(
    paths: Sequence[Path], into: NDArray[np.uint8], fill: Sequence[float]
) -> Iterator[Fit]:
    """Read pictures into ``into`` (N, K, S, S), one after the other, filled up with the colour
    ``fill`` (K,), 0 to 255; DataError at one that cannot be read."""
    channels, side = into.shape[1:3]
    colour = np.rint(np.asarray(fill)).astype(np.uint8).reshape(-1, 1, 1)
    with closing(read_each(paths, lambda height, width: _wanted(height, width, side))) as read:
        for square, picture in zip(into, read, strict=True):
            pixels = in_channels(picture.pixels, channels)
            height, width = pixels.shape[1:]
            square[:] = colour
            square[:, :height, :width] = np.rint(pixels)
            yield Fit(height, width, _scale(*picture.file.size, side), picture.file)


def empty_squares(count: int, side: int, field: str) -> NDArray[np.uint8]:
    """Room for so many pictures (count, 3, side, side); DataError, naming the ``field`` of the
    side, where this machine has too little memory."""
    needed = count * 3 * side * side
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > MOST_OF_MEMORY * there:
        raise DataError(
            f"{field}: {count} pictures of {side} x {side} pixels take {needed / GIB:.1f} GiB, and "
            f"this machine has {there / GIB:.1f} GiB of memory, of which they may take "
            f"{MOST_OF_MEMORY:.0%}; lower {field}, or take fewer pictures"
        )
    return np.empty((count, 3, side, side), np.uint8)


def _scale(height: int, width: int, side: int) -> float:
    return min(side / max(height, width), 1.0)


def _wanted(height: int, width: int, side: int) -> Wanted:
    scale = _scale(height, width, side)
    # A hair more, so that the longer side is not cut where a quotient is rounded down.
    rows, columns = (max(int(length * scale + 1e-6), 1) for length in (height, width))
    return Wanted(rows, columns, _seen((height, width), scale, (rows, columns)))


def _seen(size: tuple[int, int], scale: float, shown: tuple[int, int]) -> tuple[float, float]:
    height, width = (min(n / scale, whole) for n, whole in zip(shown, size, strict=True))
    return height, width

"""IDX files: arrays of bytes, compressed.

An IDX file: two zero bytes, the type of its numbers (8: unsigned byte), the number of dimensions,
each dimension as four bytes (the most significant first), then the numbers, the last dimension
fastest.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError

UNSIGNED_BYTE = 8
# Of what is packed in a file, in bytes: five times as much as the largest published one holds.
LARGEST = 2**28


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of bytes in a compressed IDX file."""
    start = 4 + 4 * dimensions
    try:
        with gzip.open(path, "rb") as file:
            head = file.read(start)
            if len(head) < start or head[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
                raise DataError(
                    f"{path}: is no IDX file of bytes in {dimensions} dimensions; fetch it again"
                )
            shape = tuple(int(size) for size in np.frombuffer(head, ">u4", dimensions, offset=4))
            whole = math.prod(shape)
            if whole > LARGEST:
                raise DataError(
                    f"{path}: says that it holds {whole} bytes, which none that is published does; "
                    "fetch it again"
                )
            # One more than there may be: what follows is not unpacked to be counted.
            content = file.read(whole + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a gzip file: {error}; fetch it again") from None
    if len(content) != whole:
        held = f"more than {whole}" if len(content) > whole else str(len(content))
        said = " x ".join(map(str, shape))
        raise DataError(f"{path}: holds {held} bytes where its header says {said}; fetch it again")
    return np.frombuffer(content, np.uint8).reshape(shape)

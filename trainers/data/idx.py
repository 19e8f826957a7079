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
    try:
        with gzip.open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a gzip file: {error}; fetch it again") from None
    if len(content) > LARGEST:
        raise DataError(
            f"{path}: unpacks to more than {LARGEST // 2**20} MiB, which no published file does; "
            "fetch it again"
        )
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        raise DataError(
            f"{path}: is no IDX file of bytes in {dimensions} dimensions; fetch it again"
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", dimensions, offset=4))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path}: holds {len(content) - start} bytes where its header says "
            f"{' x '.join(map(str, shape))}; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)

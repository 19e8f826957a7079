"""Gigabytes of zeros in a few megabytes, as zlib packs them."""

import zlib
from functools import cache

# So many bytes of zeros are three GiB: more than a case may take.
COUNT = 3 * 2**30
BLOCK = 2**24


@cache
def _packed() -> bytes:
    # A block that is flushed in full knows nothing of those before it, and can be repeated.
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = pack.compress(bytes(BLOCK)) + pack.flush(zlib.Z_FULL_FLUSH)
    return block * (COUNT // BLOCK) + pack.flush()


@cache
def _sum_behind(crc: int) -> int:
    block = bytes(BLOCK)
    for _ in range(COUNT // BLOCK):
        crc = zlib.crc32(block, crc)
    return crc


def behind(header: bytes) -> tuple[bytes, int, int]:
    """A header and `COUNT` zeros behind it: packed without a frame, their CRC, and their length."""
    pack = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = pack.compress(header) + pack.flush(zlib.Z_FULL_FLUSH)
    return start + _packed(), _sum_behind(zlib.crc32(header)), len(header) + COUNT

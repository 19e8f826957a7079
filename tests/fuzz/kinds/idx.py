"""IDX files: Fashion-MNIST, some of it."""

import gzip
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

from tests.fuzz.kinds import zeros
from tests.fuzz.routes import HERE, launched
from tests.fuzz.target import Apply, Mutation, Target
from tests.trainers.specimens import write_fashion

CONTAINERS = frozenset({"trainers.data.idx:read_idx"})
# Of an unpacked file that is looked at, in bytes: no file that is changed has more, but for bombs.
LOOKED_AT = 2**20


def idx() -> list[Target]:
    """Fashion-MNIST, some of it."""
    data = {"dataset": "fashion_mnist", "folder": HERE}
    return [
        Target(
            "idx", "data", partial(write_fashion, train=80, test=20), ["*.gz"],
            launched("classification", data), whole_idx, MUTATIONS, CONTAINERS,
        )
    ]  # fmt: skip


def whole_idx(file: Path) -> None:
    """Whether it unpacks, as far as it is looked at, and begins as one of bytes."""
    with gzip.open(file) as stream:
        if stream.read(LOOKED_AT)[:3] != b"\0\0\x08":
            raise ValueError


def _idx(change: Callable[[bytes, Random], bytes]) -> Apply:
    """The content changed, and packed anew."""
    return lambda file, rng: file.write_bytes(
        gzip.compress(change(gzip.decompress(file.read_bytes()), rng))
    )


def _dimension(content: bytes, rng: Random) -> bytes:
    at = 4 + 4 * rng.randrange(content[3])
    huge = rng.choice((0, 1, 81, 2**31, 2**32 - 1))
    return content[:at] + struct.pack(">I", huge) + content[at + 4 :]


def _label(content: bytes, rng: Random) -> bytes:
    """A byte of the array replaced: of labels it is none of a class."""
    start = 4 + 4 * content[3]
    at = rng.randrange(start, len(content))
    return content[:at] + b"\xff" + content[at + 1 :]


def _bomb(file: Path, rng: Random) -> None:
    """3 GiB of zeros behind a header of as many images."""
    packed, crc, size = zeros.behind(struct.pack(">4B3I", 0, 0, 8, 3, zeros.COUNT // 784, 28, 28))
    end = struct.pack("<II", crc, size % 2**32)
    file.write_bytes(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + packed + end)


MUTATIONS = [
    Mutation(
        "packed otherwise",
        "same",
        lambda file, rng: file.write_bytes(
            gzip.compress(gzip.decompress(file.read_bytes()), rng.choice((0, 1, 9)))
        ),
    ),
    Mutation(
        "in two members",
        "same",
        lambda file, rng: file.write_bytes(
            gzip.compress((content := gzip.decompress(file.read_bytes()))[:50])
            + gzip.compress(content[50:])
        ),
    ),
    Mutation("another dimension", "refused", _idx(_dimension)),
    Mutation("another number", "any", _idx(_label)),
    Mutation(
        "other numbers of dimensions",
        "refused",
        _idx(lambda c, rng: c[:3] + bytes([rng.choice((0, 2, 4, 255))]) + c[4:]),
    ),
    Mutation(
        "numbers of another kind",
        "refused",
        _idx(lambda c, rng: c[:2] + bytes([rng.choice((0, 9, 11, 13, 14))]) + c[3:]),
    ),
    Mutation("more behind it", "refused", _idx(lambda c, rng: c + b"x")),
    Mutation("cut", "refused", _idx(lambda c, rng: c[: rng.randrange(len(c))])),
    Mutation("fewer of all", "refused", _idx(lambda c, rng: c[:7] + b"\x07" + c[8:])),
    Mutation("a bomb", "refused", _bomb),
]

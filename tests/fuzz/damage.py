"""Damage to the bytes of a file of any kind."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

# What headers hold as lengths, offsets and counts, and readers may take for a size.
HUGE = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 1 << 40)
# Bytes that mean something to one reader or another.
TELLING = (
    b"\x00", b"\xff", b"\n", b"\r\n", b'"', b"'", b",", b"{", b"}", b"[", b"]", b"\\", b"\x1b[2J",
    b"../../", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"1e999", b"NaN", b"-1", b"null",
)  # fmt: skip
# How far from its beginning a header may reach, in bytes.
HEADER = 128

Damage = Callable[[bytes, Random], bytes]


def _flipped(content: bytes, rng: Random) -> bytes:
    """Some bits turned."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwritten(content: bytes, rng: Random) -> bytes:
    """A run of bytes replaced by arbitrary ones, zeros or ones."""
    at, length = rng.randrange(len(content)), rng.choice((1, 4, 16, 256))
    put = rng.choice((rng.randbytes(length), bytes(length), b"\xff" * length))
    return content[:at] + put + content[at + length :]


def _truncated(content: bytes, rng: Random) -> bytes:
    return content[: rng.choice((0, 1, rng.randrange(len(content)), len(content) - 1))]


def _without_middle(content: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.choice((1, 2, 7, 100, 1000)) :]


def _inserted(content: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    put = rng.choice((rng.choice(TELLING), rng.randbytes(rng.choice((1, 8, 300)))))
    return content[:at] + put + content[at:]


def _repeated(content: bytes, rng: Random) -> bytes:
    """A block that stands there several times in a row."""
    at = rng.randrange(len(content))
    block = content[at : at + rng.choice((1, 16, 512, 4096))]
    return content[:at] + block * rng.choice((2, 3, 50)) + content[at + len(block) :]


def _swapped(content: bytes, rng: Random) -> bytes:
    """Two blocks in each other's places."""
    a, b = sorted(rng.sample(range(len(content) + 1), 2)) if len(content) > 1 else (0, 1)
    length = min(rng.choice((1, 8, 64, 512)), b - a)
    return (
        content[:a] + content[b : b + length] + content[a + length : b]
        + content[a : a + length] + content[b + length :]
    )  # fmt: skip


def _huge_length(content: bytes, rng: Random) -> bytes:
    """A number of a header, or of a footer, that is huge, of any width and order of bytes."""
    form = rng.choice("<>") + rng.choice("HIQ")
    width = struct.calcsize(form)
    put = struct.pack(form, rng.choice(HUGE) & ((1 << 8 * width) - 1))
    at = rng.randrange(min(len(content), HEADER))
    if rng.random() < 0.3:
        at = max(0, len(content) - HEADER + at)
    return content[:at] + put + content[at + width :]


def _doubled(content: bytes, rng: Random) -> bytes:
    """The file behind itself, whole or in part."""
    return content + content[: rng.choice((len(content), rng.randrange(len(content) + 1)))]


def _other(content: bytes, rng: Random) -> bytes:
    """Nothing of the file is left."""
    return rng.choice(
        (b"", bytes(len(content)), rng.randbytes(len(content)), b"PK\x03\x04", b"\x1f\x8b\x08",
         b"<html><body>404 Not Found</body></html>\n", b"\x80\x04cos\nsystem\n(S'touch x'\ntR.")
    )  # fmt: skip


DAMAGES: Sequence[Damage] = (
    _flipped, _flipped, _flipped, _overwritten, _truncated, _without_middle, _inserted, _inserted,
    _repeated, _swapped, _huge_length, _huge_length, _doubled, _other,
)  # fmt: skip


def damage(file: Path, rng: Random) -> str:
    """Damage a file, once or twice; what was done to it."""
    content, done = file.read_bytes(), []
    for _ in range(rng.choice((1, 1, 1, 2))):
        if not content:
            break
        how = rng.choice(DAMAGES)
        content = how(content, rng)
        done.append(how.__name__.strip("_").replace("_", " "))
    file.write_bytes(content)
    return ", ".join(done)

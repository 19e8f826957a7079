"""Recordings of speech, and the table of what is said in them."""

import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import soundfile

from tests.fuzz.routes import HERE, launched
from tests.fuzz.target import Apply, Mutation, Target
from tests.trainers.ctc.recorded import RATE, record, tone, transcribe

CONTAINERS = frozenset(
    {"trainers.ctc.data.recordings:_opened", "trainers.ctc.data.recordings:_header"}
)
WORDS = ("no", "yes", "it is ", "a")
SECONDS = 0.3
PACKED = (".flac", ".ogg")
# How many there are of each kind; of each one may be changed.
COUNTS = {".wav": 14, ".flac": 3, ".ogg": 3}
RATES = (0, 1, 7, 3999, 8000, 44_100, 655_350, 1_999_993, 2**31 - 1, 2**32 - 1)
CHANNELS = (0, 1, 2, 3, 255, 1024, 65_535)


def wav() -> list[Target]:
    data = {
        "dataset": "speech", "path": f"{HERE}/recordings", "transcripts": f"{HERE}/said.csv",
    }  # fmt: skip
    return [
        Target("wav", "data", _write, ["recordings/00.wav", *(f"recordings/*0{k}" for k in PACKED)],
               launched("ctc", data), whole_recording, OF_RECORDINGS, CONTAINERS),
    ]  # fmt: skip


def whole_recording(file: Path) -> None:
    if not len(soundfile.read(file, frames=10**6)[0]):
        raise ValueError


def _write(folder: Path) -> None:
    names = [f"{place:02}{kind}" for kind, count in COUNTS.items() for place in range(count)]
    names += [f"{kind[1:]}0{kind}" for kind in PACKED]
    for place, name in enumerate(names):
        record(folder / "recordings" / name, SECONDS, hertz=300.0 + 50 * place)
    texts = [WORDS[i % 4] + WORDS[i // 4 % 4] for i in range(len(names))]
    transcribe(folder / "said.csv", {"file": names, "text": texts})


def riff(samples: bytes, fmt: bytes, *more: bytes, size: int | None = None) -> bytes:
    """A WAV file of whatever chunks; ``size``: what its header says."""
    chunks = _chunk(b"fmt ", fmt) + b"".join(more) + _chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", len(chunks) + 4 if size is None else size) + b"WAVE" + chunks


def _chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    told = struct.pack("<I", len(content) if size is None else size)
    return name + told + content + b"\0" * (len(content) % 2)


def _fmt(rate: int = RATE, channels: int = 1, bits: int = 16, kind: int = 1) -> bytes:
    align = channels * bits // 8
    return struct.pack("<HHIIHH", kind, channels & 0xFFFF, rate & 0xFFFFFFFF,
                       rate * align & 0xFFFFFFFF, align & 0xFFFF, bits)  # fmt: skip


def _samples(file: Path) -> bytes:
    return (soundfile.read(file, dtype="int16")[0]).tobytes()


def _riff(make: Callable[[bytes, Random], bytes]) -> Apply:
    """A WAV file made by hand in the place of one, whatever its name says."""
    return lambda file, rng: file.write_bytes(make(_samples(file), rng))


def _put(
    change: Callable[[np.ndarray[Any, Any], Random], Any], subtype: str = "PCM_16", rate: int = RATE
) -> Apply:
    """Other samples in a WAV file, whatever its name says."""

    def apply(file: Path, rng: Random) -> None:
        samples = change(soundfile.read(file, dtype="float32")[0], rng)
        soundfile.write(file, samples, rate, subtype, format="WAV")

    return apply


def _as_wav(samples: Callable[[Random], Any], subtype: str, rate: int = RATE) -> Apply:
    return lambda file, rng: soundfile.write(file, samples(rng), rate, subtype, format="WAV")


def _flac_length(file: Path, rng: Random) -> None:
    """How many samples a FLAC file says that it has, of 36 bits."""
    soundfile.write(file, tone(SECONDS), RATE, format="FLAC")
    content = bytearray(file.read_bytes())
    count = rng.choice((0, 1, 2**20, 2**32, 2**36 - 1))
    content[21] = (content[21] & 0xF0) | (count >> 32)
    content[22:26] = struct.pack(">I", count & 0xFFFFFFFF)
    file.write_bytes(bytes(content))


def _silence_packed(file: Path, rng: Random) -> None:
    """An hour of silence of eight channels, in kilobytes, as FLAC packs it."""
    with soundfile.SoundFile(file, "w", 48_000, 8, format="FLAC") as stream:
        for _ in range(60):
            stream.write(np.zeros((48_000 * 2, 8), np.int16))


def _with_nan(samples: np.ndarray[Any, Any], rng: Random) -> np.ndarray[Any, Any]:
    samples[rng.randrange(len(samples))] = rng.choice((np.nan, np.inf, 1e38))
    return samples


LIST = _chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0")
OF_RECORDINGS = [
    Mutation("another rate", "any", _riff(lambda s, rng: riff(s, _fmt(rate=rng.choice(RATES))))),
    Mutation("another rate", "any", _riff(lambda s, rng: riff(s, _fmt(rate=rng.choice(RATES))))),
    Mutation(
        "other channels", "any", _riff(lambda s, rng: riff(s, _fmt(channels=rng.choice(CHANNELS))))
    ),
    Mutation(
        "other bits",
        "any",
        _riff(lambda s, rng: riff(s, _fmt(bits=rng.choice((0, 1, 7, 8, 12, 24, 32, 64, 65_535))))),
    ),
    Mutation(
        "another coding",
        "any",
        _riff(lambda s, rng: riff(s, _fmt(kind=rng.choice((0, 2, 3, 6, 7, 17, 49, 85, 65_534))))),
    ),
    Mutation("a further chunk", "any", _riff(lambda s, rng: riff(s, _fmt(), LIST))),
    Mutation(
        "a chunk of a huge length",
        "any",
        _riff(
            lambda s, rng: riff(
                s, _fmt(), _chunk(b"junk", b"ab", rng.choice((2**31, 2**32 - 1, 2**20)))
            )
        ),
    ),
    Mutation(
        "a huge length of the whole",
        "any",
        _riff(lambda s, rng: riff(s, _fmt(), size=rng.choice((0, 2**31 - 2**17, 2**32 - 1)))),
    ),
    Mutation("no samples", "refused", _riff(lambda s, rng: riff(b"", _fmt()))),
    Mutation("cut", "refused", _riff(lambda s, rng: riff(s, _fmt())[: rng.randrange(44, 2000)])),
    Mutation("NaN or infinity", "any", _put(_with_nan, subtype="FLOAT")),
    Mutation("silent", "refused", _put(lambda s, rng: s * 0)),
    Mutation("short", "any", _put(lambda s, rng: s[: rng.randrange(1, 400)])),
    Mutation("longer than is allowed", "any", _put(lambda s, rng: np.tile(s, 200))),
    Mutation("clipped", "any", _put(lambda s, rng: np.clip(s * 100, -1, 1))),
    Mutation(
        "of many channels", "any", _put(lambda s, rng: np.stack([s] * rng.choice((2, 3, 7)), 1))
    ),
    Mutation("of another rate", "any", _put(lambda s, rng: s, rate=11_025)),
    Mutation(
        "of a huge rate", "any", _as_wav(lambda rng: tone(0.01, 2_000_000), "PCM_16", 2_000_003)
    ),
    Mutation(
        "of 64 bits", "any", _as_wav(lambda rng: tone(SECONDS).astype(float) * 1e30, "DOUBLE")
    ),
    Mutation("of a telephone", "any", _as_wav(lambda rng: tone(SECONDS), "ULAW")),
    Mutation("a false length as FLAC", "any", _flac_length),
    Mutation("minutes of silence, packed", "any", _silence_packed),
]

"""Recordings of speech: one file as a mono waveform, by soundfile.

S samples, K channels.
"""

import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.ctc.data.features import WINDOW, frame_count
from trainers.data import notes
from trainers.data.errors import DataError

SUFFIXES = (".flac", ".ogg", ".wav")
# A recording of which no sample is above it, of a full scale of 1, is silence: 60 dB below.
SILENCE = 1e-3
# Samples above it are at full scale; so many in a row are clipped, and a recording is, where these
# are more than this share of it.
FULL_SCALE, IN_A_ROW, MOST_CLIPPED = 0.999, 3, 1e-3
# Sizes from here on stand in headers of files whose size was not known when they were begun.
UNKNOWN_SIZE = 2**31 - 2**16
# The most that a page of Ogg holds, in bytes; where in it is what; the mark of the last.
PAGE, PAGE_HEADER, PAGE_FLAGS, LAST_PAGE = 65_307, 27, 5, 4
REPLACE = "replace it, or leave it out"
NOT_INSTALLED = "recordings are read by the package soundfile; pip install 'almkd[speech]'"


class Header(NamedTuple):
    """What a file says of itself: S, in Hz, K."""

    samples: int
    rate: int
    channels: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.samples / self.rate

    def frames(self, rate: int) -> int:
        """How many frames of features it has, once it is resampled to ``rate``."""
        up, down = _ratio(self.rate, rate)
        return frame_count(-(-self.samples * up // down), rate)


class Recording(NamedTuple):
    """A mono waveform (S,) at the rate that was asked for; its file's ``header``; whether the file
    is ``clipped``."""

    waveform: NDArray[np.float32]
    header: Header
    clipped: bool


class Notes(notes.Notes):
    """What happened to recordings."""

    def __init__(self) -> None:
        super().__init__("recording")

    def add_losses(self, name: str, found: Recording, rate: int) -> None:
        """Whatever a recording lost on its way to one channel of ``rate``."""
        if found.header.channels > 1:
            self.add("averaged the channels of {}", name)
        if found.header.rate != rate:
            self.add(f"resampled {{}} to {rate} Hz", f"{name} ({found.header.rate} Hz)")
        if found.clipped:
            self.add(
                f"{{}} clipped: over {MOST_CLIPPED:.1%} of the samples are at full scale", name
            )


def missing_soundfile() -> str | None:
    """What to install before recordings can be read, or None."""
    return None if find_spec("soundfile") else NOT_INSTALLED


def soundfile() -> Any:
    """The package; DataError where it is not installed."""
    try:
        import soundfile as found
    except (ImportError, OSError) as error:
        raise DataError(f"{NOT_INSTALLED} ({error})") from None
    return found


def recordings_below(folder: Path) -> list[Path]:
    """The recordings in a folder and in those in it, in the order of their names."""
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix.lower() in SUFFIXES and file.is_file() and not file.name.startswith(".")
    )


def header(file: Path) -> Header:
    """What a file says of itself; DataError where it is no whole recording."""
    with _opened(file) as stream:
        return _header(file, stream)


def read(file: Path, rate: int) -> Recording:
    """A recording at ``rate``; DataError where it cannot be read, is silent, or has no frame."""
    with _opened(file) as stream:
        told = _header(file, stream)
        samples = stream.read(dtype="float32", always_2d=True)
    if len(samples) != told.samples:
        raise DataError(f"{file}: is cut off; {REPLACE}")
    if not told.frames(rate):
        raise DataError(
            f"{file}: lasts {told.seconds:.3f} s, less than a frame of {WINDOW:g} s; {REPLACE}"
        )
    if not np.isfinite(samples).all():
        raise DataError(f"{file}: holds NaN or infinity; {REPLACE}")
    mono = sum(samples.T) / told.channels
    if np.abs(mono).max() <= SILENCE:
        raise DataError(
            f"{file}: is silent, no sample is above {SILENCE:g} of full scale; {REPLACE}"
        )
    return Recording(_resampled(mono, told.rate, rate), told, is_clipped(samples))


def is_clipped(samples: NDArray[np.float32]) -> bool:
    """Whether more than `MOST_CLIPPED` of samples (S, K) are at full scale, `IN_A_ROW` or more in
    a row."""
    full = np.abs(samples) >= FULL_SCALE
    if np.count_nonzero(full) <= MOST_CLIPPED * full.size:
        return False
    # In time: from one that is not at full scale to the next, of every channel.
    ends = np.pad(full, ((1, 1), (0, 0))).T.ravel().astype(np.int8)
    steps = np.diff(ends)
    runs = np.flatnonzero(steps < 0) - np.flatnonzero(steps > 0)
    return bool(runs[runs >= IN_A_ROW].sum() > MOST_CLIPPED * full.size)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A file as soundfile opens it; DataError where it cannot, or fails at reading."""
    library = soundfile()
    if file.suffix.lower() not in SUFFIXES:
        raise DataError(f"{file}: is none of {', '.join(SUFFIXES)}; convert it to one of these")
    try:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: is empty; {REPLACE}")
        if _is_cut_off(file):
            raise DataError(f"{file}: is cut off; {REPLACE}")
        with library.SoundFile(str(file)) as stream:
            yield stream
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; {REPLACE}") from None
    except library.SoundFileError as error:
        raise DataError(f"{file}: cannot be read as a recording: {error}; {REPLACE}") from None


def _header(file: Path, stream: Any) -> Header:
    if not stream.frames:
        raise DataError(f"{file}: is empty; {REPLACE}")
    return Header(stream.frames, stream.samplerate, stream.channels)


def _ratio(rate: int, wanted: int) -> tuple[int, int]:
    shared = math.gcd(rate, wanted)
    return wanted // shared, rate // shared


def _resampled(waveform: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    if rate == wanted:
        return waveform
    # Imported where it is needed: it takes a second to load.
    from scipy.signal import resample_poly  # type: ignore[import-untyped]

    found = resample_poly(waveform.astype(np.float64), *_ratio(rate, wanted))
    return np.asarray(found, np.float32)


def _is_cut_off(file: Path) -> bool:
    """Whether a file ends before its container does, of those of which soundfile reads the rest
    without a word."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        begin = stream.read(8)
        if begin[:4] == b"RIFF" and len(begin) == 8:
            told: int = struct.unpack("<I", begin[4:])[0]
            # One less: writers leave out the byte that makes the length even.
            return told < UNKNOWN_SIZE and size < told + 8 - 1
        if begin[:4] != b"OggS":
            return False
        stream.seek(max(0, size - PAGE))
        return not _ends_with_last_page(stream.read())


def _ends_with_last_page(end: bytes) -> bool:
    page = end[max(0, end.rfind(b"OggS")) :]
    if len(page) < PAGE_HEADER or not page[PAGE_FLAGS] & LAST_PAGE:
        return False
    segments = page[PAGE_HEADER - 1]
    lengths = page[PAGE_HEADER : PAGE_HEADER + segments]
    return len(page) >= PAGE_HEADER + segments + sum(lengths)

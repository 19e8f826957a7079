"""From recordings and what is said in them to `Utterances`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.ctc.data.dataset import (
    Utterances,
    feasible,
    frames_needed,
    labels_of,
    output_frames,
)
from trainers.ctc.data.features import LOWEST_RATE, MELS, log_mel, most_frames
from trainers.ctc.data.recordings import Header, Notes, header, read, soundfile
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError


class Said(NamedTuple):
    """A recording, what it is called, and what is said in it."""

    name: str
    file: Path
    text: str


class Reading(NamedTuple):
    """How recordings are read.

    ``rate``: in Hz; None: the lowest of the files. ``max_seconds``: longer ones are left out.
    ``padded``: whether all have the frames of the longest that there may be, else of the longest
    that there is. ``refuse``: whether a recording that cannot be used is an error, else it is left
    out.
    """

    rate: int | None
    max_seconds: float
    padded: bool = False
    refuse: bool = True


class _Fitting(NamedTuple):
    """Recordings that are short enough and long enough: their rows, and the frames of each (n,)."""

    rows: list[int]
    lengths: list[int]


def read_utterances(
    where: object, said: Sequence[Said], how: Reading, notes: Notes
) -> tuple[Utterances, NDArray[np.int64]]:
    """The utterances that can be learned from, and which of ``said`` they are (N,).

    ``where`` they are, for messages; ``notes`` takes what is left out, and the remarks have it.
    DataError where nothing is left.
    """
    soundfile()  # Whose absence is no fault of a recording.
    headers = _headers(said, how, notes)
    rate = how.rate or max(LOWEST_RATE, min((h.rate for h in headers.values()), default=0))
    fitting = _fitting(said, headers, rate, how.max_seconds, notes)
    longest = most_frames(how.max_seconds, rate) if how.padded else max(fitting.lengths, default=0)
    frames = np.zeros((len(fitting.rows), longest, MELS), np.float32)
    used = _fill(frames, [said[row] for row in fitting.rows], rate, how, notes)
    remarks = notes.told(where)
    if not used:
        raise DataError(_nothing_left(where, len(said), remarks))
    rows = np.asarray(fitting.rows, np.int64)[used]
    texts = [said[row].text for row in rows]
    symbols = symbols_of(texts)
    utterances = Utterances(
        frames[: len(used)],
        np.asarray(fitting.lengths, np.int64)[used],
        labels_of(texts, symbols),
        symbols,
        names=tuple(said[row].name for row in rows),
        sample_rate=rate,
        info=DatasetInfo(remarks),
    )
    return utterances, rows


def symbols_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The characters that occur, in ascending order."""
    return tuple(sorted({character for text in texts for character in text}))


def _headers(said: Sequence[Said], how: Reading, notes: Notes) -> dict[int, Header]:
    """By row what files say of themselves."""
    found = {}
    for row, one in enumerate(said):
        with _left_out(one, how, notes):
            found[row] = header(one.file)
    return found


def _fill(
    frames: NDArray[np.float32], said: Sequence[Said], rate: int, how: Reading, notes: Notes
) -> list[int]:
    """Write the features of recordings into ``frames`` (n, T, F), one behind the other, and give
    the places of those that could be used."""
    used: list[int] = []
    for place, one in enumerate(said):
        with _left_out(one, how, notes):
            found = read(one.file, rate)
            notes.add_losses(one.name, found, rate)
            features = log_mel(found.waveform, rate)
            frames[len(used), : len(features)] = features
            used.append(place)
    return used


@contextmanager
def _left_out(one: Said, how: Reading, notes: Notes) -> Iterator[None]:
    """Notes a recording that cannot be used, unless that is an error."""
    try:
        yield
    except DataError:
        if how.refuse:
            raise
        notes.add("left out {}, unreadable or silent", one.name)


def _fitting(
    said: Sequence[Said],
    headers: dict[int, Header],
    rate: int,
    max_seconds: float,
    notes: Notes,
) -> _Fitting:
    """Without those that last too long, and those that are too short for what is said there."""
    labels = labels_of([one.text for one in said], symbols_of([one.text for one in said]))
    found = _Fitting([], [])
    for row, told in headers.items():
        name, length = said[row].name, told.frames(rate)
        if told.seconds > max_seconds:
            notes.add(
                f"left out {{}} of more than {max_seconds:g} s (data.max_seconds)",
                f"{name} ({told.seconds:.2f} s)",
            )
        elif length and not feasible(np.asarray([length]), labels[row : row + 1]).all():
            needed = frames_needed(labels[row : row + 1])[0]
            notes.add(
                "left out {} too short for what is said there",
                f"{name} ({output_frames(length)} frames of output for {needed})",
            )
        else:
            # One without a frame is refused as it is read.
            found.rows.append(row)
            found.lengths.append(length)
    return found


def _nothing_left(where: object, count: int, remarks: Sequence[str]) -> str:
    if not count:
        return f"{where}: names no recording; write a row for each"
    return f"{where}: no recording can be used; {'; '.join(remarks)}"

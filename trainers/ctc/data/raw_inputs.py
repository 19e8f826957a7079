"""Inputs for a trained student: recordings, or an array of frames.

N inputs of at most T frames, F numbers of a frame; what is behind the end of each is NaN.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.ctc.data.features import log_mel
from trainers.ctc.data.recordings import SUFFIXES, Notes, header, read, recordings_below
from trainers.data.errors import DataError
from trainers.data.raw_inputs import ARRAYS, RawInputs, array_in, of_array


def read_frames(path: Path, facts: Mapping[str, Any], options: Mapping[str, str]) -> RawInputs:
    """Frames (N, T, F) float32 of what stands at ``path``: a recording, a folder of them, or an
    array, for a student of these facts: ``shape``, T and F; ``sample_rate`` in Hz, 0 where it
    learned from other frames than those of recordings.

    DataError where it cannot be read, or has more than T frames.
    """
    for name in options:
        raise DataError(f"data.{name}: is no option of recordings and frames; leave it out")
    most, numbers = facts["shape"]
    suffix = path.suffix.lower()
    if not path.exists():
        raise DataError(f"there is no {path}; correct the name")
    if suffix in ARRAYS and path.is_file():
        return _of_array(path, most, numbers)
    if not facts["sample_rate"]:
        raise DataError(
            f"{path}: the student learned from frames that are no recordings; save frames as an "
            f"array (inputs, frames, {numbers}) in an .npy file"
        )
    if not path.is_dir() and suffix not in SUFFIXES:
        raise DataError(f"{path}: is none of {', '.join((*SUFFIXES, *ARRAYS))}; convert it")
    return _of_recordings(path, most, numbers, facts["sample_rate"])


def _of_array(file: Path, most: int, numbers: int) -> RawInputs:
    inputs, remarks = array_in(file)
    if inputs.ndim == 2:
        inputs = inputs[None]
    if inputs.dtype.kind not in "fiu" or inputs.ndim != 3 or inputs.shape[2] != numbers:
        raise DataError(
            f"{file}: holds {inputs.dtype} of the shape {inputs.shape}; the student takes numbers "
            f"of the shape (inputs, frames, {numbers})"
        )
    with np.errstate(over="ignore"):
        frames = inputs.astype(np.float32)
    lengths = (~np.isnan(frames).all(2)).sum(1)
    if not len(frames):
        raise DataError(f"{file}: holds no input; save at least one")
    if not lengths.all():
        raise DataError(f"{file}: the input at place {lengths.argmin()} has no frame; drop it")
    behind = np.arange(frames.shape[1]) >= lengths[:, None]
    wrong = ~(np.isfinite(frames).all(2) | behind).all(1)
    if wrong.any():
        raise DataError(
            f"{file}: holds NaN or infinity, or what is too large for single precision, before "
            f"the end of the input at place {wrong.argmax()}; frames of NaN are what is behind "
            "the end, so fill or drop others"
        )
    if lengths.max() > most:
        raise DataError(
            f"{file}: the input at place {lengths.argmax()} has {lengths.max()} frames, and the "
            f"student takes {most}; shorten it"
        )
    ended = np.full((len(frames), most, numbers), np.nan, np.float32)
    ended[:, : frames.shape[1]] = frames[:, :most]
    return of_array(ended, remarks)


def _of_recordings(path: Path, most: int, numbers: int, rate: int) -> RawInputs:
    files = _files(path)
    for file in files:
        told = header(file)
        if (frames := told.frames(rate)) > most:
            raise DataError(
                f"{file}: lasts {told.seconds:.2f} s, {frames} frames, and the student takes "
                f"{most}; cut it into shorter ones"
            )
    root = path if path.is_dir() else path.parent
    names = [file.relative_to(root).as_posix() for file in files]

    def batch(start: int, stop: int) -> tuple[NDArray[Any], Sequence[str]]:
        inputs = np.full((stop - start, most, numbers), np.nan, np.float32)
        notes = Notes()
        for place in range(start, stop):
            found = read(files[place], rate)
            notes.add_losses(names[place], found, rate)
            features = log_mel(found.waveform, rate)
            inputs[place - start, : len(features)] = features
        return inputs, notes.told(root)

    return RawInputs(len(files), batch, names)


def _files(path: Path) -> list[Path]:
    """The recordings in the order of their names."""
    if not path.is_dir():
        return [path]
    files = recordings_below(path)
    if not files:
        raise DataError(
            f"{path}: holds no recording; put some there, read is {', '.join(SUFFIXES)}"
        )
    return files

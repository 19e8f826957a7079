"""Tables of what is said when in some utterances: what figures are drawn from.

B utterances, W who say something of each, T frames of output, C symbols with the blank.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.ctc.data.dataset import BLANK, STRIDE, Utterances, output_frames
from trainers.data.tokenizer import PADDING

# Utterances of a lane that are shown.
SHOWN = 2
STUDENT, TEACHER = "student", "teacher_"
# More of a probability, and of a frame's numbers, no figure shows.
DECIMALS_OF_P, DECIMALS_OF_FRAMES = 4, 2

Columns = Mapping[str, Any]


def timelines(dataset: Utterances, rows: NDArray[np.int64], z: Tensor) -> dict[str, Columns]:
    """Tables of the utterances at ``rows`` (B,) of the data set, from the logits (W, B, T, C) of
    the student and of its teachers.

    ``spikes``: of each frame of output, by ``row`` and ``who`` (student, teacher_1, ...), the
    likeliest ``symbol`` but for the blank, its ``probability``, that of the ``blank``, and the
    utterance's ``reference``. ``frames``: the numbers of the frames themselves. ``spans``, where
    that is known: of each symbol of a reference from which frame it is said, and up to which.
    Frames are frames of output, counted from 0.
    """
    tables = {"spikes": _spikes(dataset, rows, z), "frames": _frames(dataset, rows)}
    if dataset.spans is not None:
        tables["spans"] = _spans(dataset, rows, dataset.spans[rows])
    return tables


def _spikes(dataset: Utterances, rows: NDArray[np.int64], z: Tensor) -> Columns:
    p = torch.softmax(z.to(torch.float64), dim=3)
    blank = p[..., BLANK].cpu().numpy()
    most, symbol = (found.cpu().numpy() for found in p[..., BLANK + 1 :].max(dim=3))
    there = np.arange(z.shape[2]) < output_frames(dataset.lengths[rows])[:, None]
    who, utterance, frame = np.nonzero(np.broadcast_to(there, blank.shape))
    names = [STUDENT, *(f"{TEACHER}{m}" for m in range(1, len(z)))]
    texts = [dataset.text(dataset.labels[row]) for row in rows]
    said = symbol[who, utterance, frame]
    return {
        "row": rows[utterance],
        "reference": _taken(texts, utterance),
        "who": _taken(names, who),
        "frame": frame,
        "symbol": _taken(dataset.symbols, said),
        "probability": most[who, utterance, frame].round(DECIMALS_OF_P),
        "blank": blank[who, utterance, frame].round(DECIMALS_OF_P),
    }


def _frames(dataset: Utterances, rows: NDArray[np.int64]) -> Columns:
    there = np.arange(dataset.frames.shape[1]) < dataset.lengths[rows][:, None]
    utterance, frame = np.nonzero(there)
    numbers = dataset.frames[rows][utterance, frame].astype(np.float64).round(DECIMALS_OF_FRAMES)
    return {
        "row": rows[utterance],
        "frame": frame / STRIDE,
        **{f"number_{place + 1}": column for place, column in enumerate(numbers.T)},
    }


def _spans(dataset: Utterances, rows: NDArray[np.int64], spans: NDArray[np.int64]) -> Columns:
    labels = dataset.labels[rows]
    utterance, column = np.nonzero(labels != PADDING)
    begin, end = (spans[utterance, column] / STRIDE).T
    return {
        "row": rows[utterance],
        "symbol": _taken(dataset.symbols, labels[utterance, column] - 1),
        "begin": begin,
        "end": end,
    }


def _taken(texts: Sequence[str], places: NDArray[np.int64]) -> NDArray[Any]:
    return np.array(texts, dtype=object)[places]

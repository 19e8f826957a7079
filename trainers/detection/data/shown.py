"""Tables of what is where in some pictures, and of what is found there: what figures are drawn
from.

B pictures, U boxes of the picture with the most.
"""

import base64
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.tokenizer import PADDING
from trainers.detection.data.dataset import BOX, CLASS, CROWD, Boxes, Pictures, counts

# Pictures of a lane that are shown.
SHOWN = 4
TRUTH, STUDENT, TEACHER = "truth", "student", "teacher_"
BOX_COLUMNS = ("row", "who", "class", "score", "crowd", "left", "top", "right", "bottom")
COLOURS = 3  # channels of what has colours; anything else is shown as grey

Columns = Mapping[str, Any]
# Of a box that is found: class, score, left, top, right, bottom; see `trainers.detection.student`.
Listed = Sequence[Any]


class Voice(NamedTuple):
    """Who finds what: of each of B pictures the boxes, the best first."""

    who: str
    found: Sequence[Sequence[Listed]]


def shown_places(dataset: Pictures, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of the pictures at ``rows`` (N,) are shown: the places in ``rows`` of the first
    `SHOWN` with a box, then of those without, (min(N, SHOWN),)."""
    without = counts(dataset.boxes[rows]) == 0
    return np.argsort(without, kind="stable")[:SHOWN]


def shown_tables(
    dataset: Pictures, rows: NDArray[np.int64], boxes: Boxes, voices: Sequence[Voice]
) -> dict[str, Columns]:
    """Tables of the pictures at ``rows`` (B,) of the data set, whose true boxes are ``boxes`` (B,
    U, 6), and of what is found in each.

    ``boxes``: by ``row`` and ``who`` (truth, student, teacher_1, ...), the ``class``, the
    ``score``, 1 of the truth, whether it is a ``crowd``, and the edges in pixels of the picture as
    networks are shown it. ``pictures``: by ``row`` what it is called, its ``height`` and ``width``,
    and itself, a PNG in base64.
    """
    lines: list[tuple[Any, ...]] = []
    for place, row in enumerate(rows.tolist()):
        lines += [(row, TRUTH, *line) for line in _true(dataset, boxes[place])]
        for who, found in voices:
            lines += [(row, who, name, score, 0, *edges) for name, score, *edges in found[place]]
    columns = zip(*lines, strict=True) if lines else [()] * len(BOX_COLUMNS)
    heights, widths = dataset.fitted[rows].T
    return {
        "boxes": {name: list(column) for name, column in zip(BOX_COLUMNS, columns, strict=True)},
        "pictures": {
            "row": rows,
            "title": [dataset.names[row] if dataset.names else f"picture {row}" for row in rows],
            "height": heights,
            "width": widths,
            "png": [_png(dataset, row) for row in rows],
        },
    }


def _true(dataset: Pictures, boxes: Boxes) -> list[tuple[Any, ...]]:
    return [
        (
            dataset.class_names[int(b[CLASS])],
            1.0,
            int(b[CROWD]),
            *(round(float(x), 2) for x in b[BOX]),
        )
        for b in boxes
        if b[CLASS] != PADDING
    ]


def _png(dataset: Pictures, row: int) -> str:
    """A picture without what fills it up."""
    from PIL import Image

    height, width = dataset.fitted[row]
    pixels = dataset.images[row][:, :height, :width]
    coloured = len(pixels) == COLOURS
    drawn = pixels.transpose(1, 2, 0) if coloured else pixels.mean(0).round().astype(np.uint8)
    written = BytesIO()
    Image.fromarray(np.ascontiguousarray(drawn)).save(written, "png", optimize=True)
    return base64.b64encode(written.getvalue()).decode()

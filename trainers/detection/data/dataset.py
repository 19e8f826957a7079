"""Pictures with boxes in memory.

N pictures of K channels, H x W pixels as a network is shown them, U boxes of the picture with the
most. A box is (left, top, right, bottom) in pixels of the picture as shown, from its left upper
corner; where a pixel is counted as a square, a box around it is one wide.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from trainers.data import dataset
from trainers.data.dataset import NOTHING_TOLD, DatasetInfo
from trainers.data.errors import counted
from trainers.data.given_splits import GivenSplits
from trainers.data.tokenizer import PADDING
from trainers.settings import DataSpec

# Of a row of `Boxes`: the class, the box, and whether it is a crowd.
CLASS, BOX, CROWD = 0, slice(1, 5), 5
COLUMNS = 6
# Boxes of a picture, (U, 6) each: a class from 0, `PADDING` behind the last box; the box; 1 for a
# region of many things that are not told apart, else 0.
Boxes = NDArray[np.float32]

# Pictures of at most this side have places every few pixels; larger ones on three levels.
SMALL_SIDE = 128
STRIDES_OF_SMALL, STRIDES_OF_LARGE = (4,), (8, 16, 32)


@dataclass(frozen=True)
class Pictures(dataset.Dataset):
    """``images`` (N, K, H, W) of bytes; ``boxes`` (N, U, 6), see `Boxes`.

    ``class_names``: C of them. ``scales`` (N,): how many pixels as shown one of the original
    picture is. ``limits``: up to which area a box is small, and from which it is large, in pixels
    of the original; one of just a limit is of both sizes, as COCO has it. ``groups`` (N,): what has
    parts in common and is never split. ``names``: what each is called, as a file; empty where they
    have none. ``fitted`` (N, 2): the height and the width that are picture; what is behind them
    fills up.
    """

    images: NDArray[np.uint8]
    boxes: Boxes
    class_names: tuple[str, ...]
    scales: NDArray[np.float32]
    limits: tuple[float, float]
    fitted: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()
    official_test: int = 0
    info: DatasetInfo = NOTHING_TOLD
    given_splits: GivenSplits | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Groups where there are some, so that a part has as many of each; else nothing."""
        return np.zeros(len(self), np.int64) if self.groups is None else self.groups

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape[1:])

    @property
    def classes(self) -> int:
        """C."""
        return len(self.class_names)

    def name(self, row: int) -> str:
        """What a picture is called in a sentence."""
        return self.names[row] if self.names else f"picture {row} (counted from 0)"

    def take(self, rows: NDArray[np.int64], official_test: int) -> Self:
        return replace(
            self, images=self.images[rows], boxes=self.boxes[rows], scales=self.scales[rows],
            fitted=self.fitted[rows],
            groups=None if self.groups is None else self.groups[rows],
            names=tuple(self.names[row] for row in rows) if self.names else (),
            official_test=official_test, given_splits=None,
        )  # fmt: skip

    def with_splits(self, rows: GivenSplits) -> Self:
        return replace(self, given_splits=rows)

    def problem(self, spec: DataSpec) -> str | None:
        if problem := self._misfit():
            return problem
        if len(self) < 2:
            return f"{counted(len(self), 'picture')}; at least two are needed"
        if not counts(self.boxes).any():
            return "no picture has a box; give the boxes of some"
        return None

    def _misfit(self) -> str | None:
        """What does not go together."""
        there, of = is_there(self.boxes), self.boxes[..., CLASS]
        strange = there & ~((of >= 0) & (of < self.classes) & (of == np.floor(of)))
        if strange.any():
            row, place = np.argwhere(strange)[0]
            return (
                f"{self.name(int(row))} has a box of class {of[row, place]:g}, and there are "
                f"{self.classes}, counted from 0"
            )
        left, top, right, bottom = np.moveaxis(self.boxes[..., BOX], -1, 0)
        height, width = self.shape[1:]
        inside = (left >= 0) & (top >= 0) & (right <= width) & (bottom <= height)
        wrong = there & ~(inside & (right > left) & (bottom > top))
        if wrong.any():
            row = int(np.flatnonzero(wrong.any(1))[0])
            return f"{self.name(row)} has a box that is empty or outside the picture"
        return None


def is_there(boxes: Boxes) -> NDArray[np.bool_]:
    """Which of rows (..., U, 6) are boxes, (..., U)."""
    found: NDArray[np.bool_] = boxes[..., CLASS] != PADDING
    return found


def counts(boxes: Boxes) -> NDArray[np.int64]:
    """How many boxes pictures have, (..., ), crowds left out."""
    found: NDArray[np.int64] = (is_there(boxes) & (boxes[..., CROWD] == 0)).sum(-1)
    return found


def areas(boxes: Boxes) -> NDArray[np.float32]:
    """Of every box (..., U), in pixels as shown; of padding 0."""
    left, top, right, bottom = np.moveaxis(boxes[..., BOX], -1, 0)
    found: NDArray[np.float32] = (right - left) * (bottom - top)
    return found


def padded(boxes: list[NDArray[np.float32]]) -> Boxes:
    """Boxes (n_i, 6) of every picture as (N, U, 6)."""
    most = max((len(own) for own in boxes), default=0)
    together = np.zeros((len(boxes), max(most, 1), COLUMNS), np.float32)
    together[..., CLASS] = PADDING
    for own, into in zip(boxes, together, strict=True):
        into[: len(own)] = own
    return together


def strides(height: int, width: int) -> tuple[int, ...]:
    """Of the places of pictures of a size, in pixels, level by level: one level for small ones."""
    return STRIDES_OF_SMALL if max(height, width) <= SMALL_SIDE else STRIDES_OF_LARGE


def places(height: int, width: int) -> int:
    """How many places such pictures have, T."""
    return sum(-(-height // s) * (-(-width // s)) for s in strides(height, width))

"""NOISE_KINDS: how the boxes of pictures are corrupted. Free of torch.

n pictures of a split, U boxes, rate in [0, 1]. The rate is that of pictures: round(rate n) of those
that have boxes, or all of these where they are fewer, are chosen at random. What is done to the
boxes of a picture that is chosen leaves at least one of them other than it was. Crowds stay.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.tokenizer import PADDING
from trainers.detection.data.dataset import CLASS, CROWD, Boxes, counts
from trainers.entries import NoiseEntry

DROPPED = 0.5  # with which probability a box is left out
SHIFTED = (0.25, 0.5)  # by how much of its width, or height, a box is moved at least and at most
# From the boxes (m, 6) of one picture, crowds left out, its height and width, and the number of
# classes: other boxes (k, 6).
Edit = Callable[[NDArray[np.float32], tuple[int, int], int, np.random.Generator], Boxes]


class Boxed(NamedTuple):
    """What a noise kind may look at: ``boxes`` (n, U, 6); ``fitted`` (n, 2), the height and the
    width of each picture; ``classes``: how many there are."""

    boxes: Boxes
    fitted: NDArray[np.int64]
    classes: int


def corrupted_boxes(boxed: Boxed, kind: str, rate: float, rng: np.random.Generator) -> Boxes:
    """New ones (n, U, 6); at rate 0 the true ones, whatever the kind."""
    if rate == 0:
        return boxed.boxes.copy()
    given: Boxes = NOISE_KINDS[kind].corrupt(boxed, rate, rng)
    return given


def _edited(edit: Edit) -> Callable[[Boxed, float, np.random.Generator], Boxes]:
    def corrupt(boxed: Boxed, rate: float, rng: np.random.Generator) -> Boxes:
        noisy = boxed.boxes.copy()
        with_boxes = np.flatnonzero(counts(noisy))
        chosen = rng.permutation(with_boxes)[: round(rate * len(noisy))]
        for row in chosen:
            own = noisy[row]
            single = (own[:, CLASS] != PADDING) & (own[:, CROWD] == 0)
            height, width = boxed.fitted[row]
            other = edit(own[single], (height, width), boxed.classes, rng)
            crowds = own[(own[:, CLASS] != PADDING) & ~single]
            left = np.concatenate([other, crowds])
            own[:], own[:, CLASS] = 0, PADDING
            own[: len(left)] = left
        return noisy

    return corrupt


def _drop(
    own: NDArray[np.float32], size: tuple[int, int], classes: int, rng: np.random.Generator
) -> Boxes:
    gone = rng.random(len(own)) < DROPPED
    gone[rng.integers(len(own))] = True
    return own[~gone]


def _shift(
    own: NDArray[np.float32], size: tuple[int, int], classes: int, rng: np.random.Generator
) -> Boxes:
    """By a drawn share of its width and of its height, to a drawn side of each; to the other one
    where that would leave the picture. What is still outside then is cut off."""
    moved = own.copy()
    sides = moved[:, 3:5] - moved[:, 1:3]
    way = rng.choice([-1.0, 1.0], sides.shape) * rng.uniform(*SHIFTED, sides.shape) * sides
    edge = np.array(size[::-1])
    outside = (moved[:, 1:3] + way < 0) | (moved[:, 3:5] + way > edge)
    way = np.where(outside, -way, way)
    moved[:, 1:3] = np.clip(moved[:, 1:3] + way, 0, edge)
    moved[:, 3:5] = np.clip(moved[:, 3:5] + way, 0, edge)
    return moved


def _flip(
    own: NDArray[np.float32], size: tuple[int, int], classes: int, rng: np.random.Generator
) -> Boxes:
    other = own.copy()
    other[:, CLASS] = (own[:, CLASS] + rng.integers(1, max(classes, 2), len(own))) % classes
    return other


NOISE_KINDS: Mapping[str, NoiseEntry] = {
    "drop": NoiseEntry(
        _edited(_drop),
        "of some pictures each box is left out with probability 1/2, one at least; the rate is "
        "that of pictures",
        "own",
    ),
    "shift": NoiseEntry(
        _edited(_shift),
        "in some pictures every box is moved by 1/4 to 1/2 of its width and height; the rate is "
        "that of pictures",
        "own",
    ),
    "flip": NoiseEntry(
        _edited(_flip),
        "in some pictures every box has another class; the rate is that of pictures",
        "own",
    ),
}

"""Canvases: grey pictures on which small ones are pasted, whose boxes are known to the pixel.

Glyphs, scikit-learn's digits or the clothes of Fashion-MNIST, are dealt to `GROUPS` groups before
canvases are made, so that canvases of two groups have no glyph in common. A canvas has a brightness
of its own with noise on it, may have a piece of a glyph as clutter, and 1 to ``most`` glyphs of
drawn sizes and contrasts that do not overlap. Their boxes are tight around what is visible.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError
from trainers.data.fashion_files import (
    CLASS_NAMES,
    TRAIN,
    folder_with,
    missing_files,
    training_part,
)
from trainers.data.handwritten import handwritten_digits
from trainers.data.splits import deal
from trainers.data.standard import Standard
from trainers.detection.data.dataset import BOX, CLASS, COLUMNS, Pictures, padded

# Always the same canvases, whatever the seed of a sweep.
SEED = 0
GROUPS = 20
# Of a glyph's longer side, in pixels of a canvas; each as likely as one of another magnitude.
SIDES = (12.0, 28.0)
CONTRAST = (0.45, 1.0)
BACKGROUND = (0.0, 0.3)  # its brightness; white is 1
GRAIN = 0.05  # standard deviation of the noise on it
CLUTTER = 0.5  # share of canvases with a piece of a glyph that nothing is told of
VISIBLE = 0.25  # of a glyph's whitest pixel: what its box is around
TRIES = 20  # places for a glyph, before it is left out
LIMITS = (14.0**2, 20.0**2)
DIGITS = tuple("0123456789")
CLOTHES_GLYPHS = "clothes"
GLYPHS = ("digits", CLOTHES_GLYPHS)
CLASSES = 10
# Of most pictures the background.
STANDARD = Standard(mean=(0.25,), std=(0.25,))


class Glyphs(NamedTuple):
    """Pictures (n, S, S) of whiteness in [0, 1], their classes (n,), and what these are called."""

    pictures: NDArray[np.float32]
    classes: NDArray[np.int64]
    names: tuple[str, ...]


def canvases(
    glyphs: str, canvases: int, side: int, most: int, folder: str | None = None
) -> Pictures:
    """``canvases`` of ``side`` pixels with at most ``most`` glyphs each, as many in every group.

    ``folder``: where the files of the clothes are, if not in the usual places.
    """
    if canvases % GROUPS:
        raise DataError(
            f"data.canvases: {canvases} cannot be dealt to {GROUPS} groups of one size; give a "
            f"multiple of {GROUPS}"
        )
    found = _glyphs(glyphs, folder)
    rng = np.random.default_rng(SEED)
    group_of = _dealt(found, rng)
    members = [np.flatnonzero(group_of == group) for group in range(GROUPS)]
    images = np.empty((canvases, 1, side, side), np.uint8)
    boxes = []
    for canvas in range(canvases):
        own = members[canvas % GROUPS]
        images[canvas, 0], of_canvas = _composed(found, own, side, most, rng)
        boxes.append(of_canvas)
    return Pictures(
        images, padded(boxes), found.names, scales=np.ones(canvases, np.float32), limits=LIMITS,
        fitted=np.full((canvases, 2), side), groups=np.arange(canvases) % GROUPS,
        info=DatasetInfo(class_names=found.names, standard=STANDARD),
    )  # fmt: skip


def missing_glyphs(glyphs: str, folder: str | None = None, **others: object) -> str | None:
    """What to fetch and where to put it, or None if nothing; of digits a folder is refused."""
    if glyphs == CLOTHES_GLYPHS:
        return missing_files(TRAIN, folder)
    if folder is None:
        return None
    return f"data.folder: {folder} is of glyphs: {CLOTHES_GLYPHS} alone; leave it out"


def _glyphs(word: str, folder: str | None) -> Glyphs:
    if word == CLOTHES_GLYPHS:
        return _clothes(folder_with(TRAIN, folder))
    if refused := missing_glyphs(word, folder):
        raise DataError(refused)
    return _digits()


def _clothes(folder: Path) -> Glyphs:
    """The training images as published; none of the test part."""
    found = training_part(folder)
    white = np.divide(found.pixels, 255, dtype=np.float32)
    return Glyphs(white, found.labels, CLASS_NAMES)


def _digits() -> Glyphs:
    pictures, classes = handwritten_digits()
    white = (pictures / 16.0).reshape(-1, 8, 8).astype(np.float32)
    return Glyphs(white, classes, DIGITS)


def _dealt(glyphs: Glyphs, rng: np.random.Generator) -> NDArray[np.int64]:
    """The group of every glyph (n,): runs of those that are dealt so that classes alternate, and so
    each with its share of every class."""
    place = np.arange(len(glyphs.classes))
    group_of = np.empty(len(place), np.int64)
    group_of[deal(glyphs.classes, rng)] = place * GROUPS // len(place)
    return group_of


def _composed(
    glyphs: Glyphs, own: NDArray[np.int64], side: int, most: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A canvas (side, side) of some glyphs, and its boxes (n, 6)."""
    canvas = np.full((side, side), rng.uniform(*BACKGROUND))
    if rng.random() < CLUTTER:
        piece = _scaled(glyphs.pictures[rng.choice(own)], rng)
        height, width = piece.shape
        piece = piece[: max(height // 2, 1), : max(width // 2, 1)]
        top, left = (rng.integers(0, side - s + 1) for s in piece.shape)
        _paste(canvas, piece, top, left, rng)
    taken: list[tuple[float, float, float, float]] = []
    rows = []
    for glyph in rng.choice(own, rng.integers(1, most + 1)):
        picture = _scaled(glyphs.pictures[glyph], rng)
        tight = _tight(picture)
        placed = _placed(tight, picture.shape, taken, side, rng)
        if placed is None:
            continue
        top, left = placed
        _paste(canvas, picture, top, left, rng)
        box = (left + tight[0], top + tight[1], left + tight[2], top + tight[3])
        taken.append(box)
        row = np.zeros(COLUMNS, np.float32)
        row[CLASS], row[BOX] = glyphs.classes[glyph], box
        rows.append(row)
    canvas += rng.normal(0.0, GRAIN, canvas.shape)
    pixels = (canvas.clip(0, 1) * 255).round().astype(np.uint8)
    return pixels, np.array(rows, np.float32).reshape(-1, COLUMNS)


def _scaled(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """At a drawn size."""
    from PIL import Image

    to = round(float(np.exp(rng.uniform(*np.log(SIDES)))))
    larger = Image.fromarray(picture).resize((to, to), Image.Resampling.BILINEAR)
    return np.asarray(larger, dtype=np.float32)


def _tight(picture: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """The box around what is visible of it."""
    seen = picture > VISIBLE * picture.max()
    columns, rows = np.flatnonzero(seen.any(0)), np.flatnonzero(seen.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _placed(
    tight: tuple[int, int, int, int],
    shape: tuple[int, ...],
    taken: list[tuple[float, float, float, float]],
    side: int,
    rng: np.random.Generator,
) -> tuple[int, int] | None:
    """Where it may be pasted so that its box meets no other: top and left; None where no draw
    finds a place."""
    for _ in range(TRIES):
        top, left = (int(rng.integers(0, side - s + 1)) for s in shape)
        own = (left + tight[0], top + tight[1], left + tight[2], top + tight[3])
        if not any(
            own[0] < other[2] and other[0] < own[2] and own[1] < other[3] and other[1] < own[3]
            for other in taken
        ):
            return top, left
    return None


def _paste(
    canvas: NDArray[np.float64],
    picture: NDArray[np.float32],
    top: int,
    left: int,
    rng: np.random.Generator,
) -> None:
    """Add it with a drawn contrast."""
    height, width = picture.shape
    there = canvas[top : top + height, left : left + width]
    there += rng.uniform(*CONTRAST) * (1 - there) * picture

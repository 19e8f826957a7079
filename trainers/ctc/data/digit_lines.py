"""Lines of handwritten digits, strung together out of scikit-learn's, whose places are known.

A line is a picture of `ROWS` rows that is read column by column: a frame is a column. Its digits
are drawn, as are the margins, the gaps between digits (below 0 they overlap), how far each is moved
up or down, and the noise on all of it. Digits are dealt to `GROUPS` groups before lines are strung,
so that lines of two groups have no picture of a digit in common.
"""

import numpy as np
from numpy.typing import NDArray

from trainers.ctc.data.dataset import Utterances
from trainers.data.errors import DataError
from trainers.data.handwritten import handwritten_digits
from trainers.data.splits import deal
from trainers.data.tokenizer import PADDING

# Always the same lines, whatever the seed of a sweep.
SEED = 0
GROUPS = 20
SIZE, BRIGHTEST = 8, 16.0  # of a digit of scikit-learn's, in pixels; its whitest pixel
SHIFT = 1  # rows that a digit may be moved by
ROWS = SIZE + 2 * SHIFT
MARGIN = 8  # columns before the first digit and behind the last, at most
GAPS = (-1, 6)  # the narrowest and the widest, in columns
DIGITS = tuple("0123456789")


def digit_lines(lines: int, min_digits: int, max_digits: int, blur: float) -> Utterances:
    """``lines`` of ``min_digits`` to ``max_digits`` digits each, as many in every group; ``blur``:
    the standard deviation of the noise on every pixel, whose brightest is 1."""
    if lines % GROUPS:
        raise DataError(
            f"data.lines: {lines} lines cannot be dealt to {GROUPS} groups of one size; give a "
            f"multiple of {GROUPS}"
        )
    if min_digits > max_digits:
        raise DataError(
            f"data.min_digits: {min_digits} is more than data.max_digits, {max_digits}; lower it"
        )
    rng = np.random.default_rng(SEED)
    pictures, classes = handwritten_digits()
    pictures = (pictures / BRIGHTEST).reshape(-1, SIZE, SIZE)
    group_of = np.empty(len(classes), np.int64)
    group_of[deal(classes, rng)] = np.arange(len(classes)) % GROUPS
    groups = np.arange(lines) % GROUPS
    columns = widest(max_digits)
    frames = np.zeros((lines, columns, ROWS))
    lengths = np.empty(lines, np.int64)
    labels = np.full((lines, max_digits), PADDING, np.int64)
    spans = np.zeros((lines, max_digits, 2), np.int64)
    for line, group in enumerate(groups):
        chosen = rng.choice(
            np.flatnonzero(group_of == group), rng.integers(min_digits, max_digits + 1)
        )
        said = slice(0, len(chosen))
        labels[line, said] = classes[chosen] + 1
        lengths[line], spans[line, said] = _draw(frames[line], pictures[chosen], rng)
    frames += rng.normal(0.0, blur, frames.shape)
    frames[np.arange(columns) >= lengths[:, None]] = 0.0
    return Utterances(
        frames.astype(np.float32), lengths, labels, DIGITS, spans=spans, groups=groups
    )


def widest(longest: int) -> int:
    """The columns of the widest line of so many digits."""
    return 2 * MARGIN + SIZE * longest + GAPS[1] * (longest - 1)


def _draw(
    onto: NDArray[np.float64], pictures: NDArray[np.float64], rng: np.random.Generator
) -> tuple[int, NDArray[np.int64]]:
    """Draw digits (U, 8, 8) onto a line (T, rows): how many columns it has, and the span of
    each."""
    left, spans = int(rng.integers(MARGIN + 1)), np.empty((len(pictures), 2), np.int64)
    for place, picture in enumerate(pictures):
        top = SHIFT + int(rng.integers(-SHIFT, SHIFT + 1))
        there = onto[left : left + SIZE, top : top + SIZE]
        np.maximum(there, picture.T, out=there)
        spans[place] = left, left + SIZE
        left += SIZE + int(rng.integers(GAPS[0], GAPS[1] + 1))
    return int(spans[-1, 1] + rng.integers(MARGIN + 1)), spans

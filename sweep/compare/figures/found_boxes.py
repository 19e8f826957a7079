"""Who finds which boxes in a few pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from sweep.compare.figures.style import PALETTE, Grid, draw_grid
from sweep.compare.found_boxes import Box, Gallery, SeenPicture, Sight

PANEL_INCHES = 1.7  # width of a picture
TALLEST = 1.3  # of a picture, in its width
CRISP = 256  # pixels of a side; smaller pictures are enlarged, so that no viewer blurs them
HALO = "black"  # around lines, so that they are seen on bright parts
LINE, HALO_LINE = 1.1, 2.3
SMALL = 5.5  # points of letters within panels
MOST_OF_CLASS, MOST_OF_TITLE, MOST_OF_NAME = 10, 20, 22
FAR_RIGHT = 0.6  # share of a picture's width from which on names end with their boxes
ROOM = 0.08  # share of its height that a name takes


@dataclass(frozen=True)
class _Look:
    """How a box is drawn, and what the legend says of it."""

    colour: str
    line: str
    label: str


TRUE = _Look("white", "-", "true box")
RIGHT = _Look(PALETTE[5], "-", "right class, overlap of 0.5 at least")
WRONG = _Look(PALETTE[6], "--", "wrong class or place, or found twice")
MISSED = _Look("white", ":", "true box that is missed")


def found_where(gallery: Gallery) -> Figure:
    """A column of each picture; a row of what is there, and of each who looks for it."""
    height = min(max(p.pixels.shape[0] / p.pixels.shape[1] for p in gallery.pictures), TALLEST)
    rows = 1 + len(gallery.sights)
    grid = Grid(rows, len(gallery.pictures), (PANEL_INCHES, PANEL_INCHES * height))

    def draw(axes: Any) -> None:
        for panel, picture in zip(axes[0], gallery.pictures, strict=True):
            _draw_picture(panel, picture)
            panel.set_title(_end_of(picture.title, MOST_OF_TITLE))
            for box in picture.truth:
                _draw_box(panel, box, TRUE)
                _name(panel, box, TRUE, _shortened(box.name, MOST_OF_CLASS))
        axes[0][0].set_ylabel("Truth")
        for own, (name, sights) in zip(axes[1:], gallery.sights.items(), strict=True):
            own[0].set_ylabel(_shortened(name, MOST_OF_NAME))
            for panel, picture, sight in zip(own, gallery.pictures, sights, strict=True):
                _draw_picture(panel, picture)
                _draw_sight(panel, sight)
        _name_looks(axes[0][0])

    return draw_grid(grid, draw)


def _draw_picture(axes: Axes, picture: SeenPicture) -> None:
    height, width = picture.pixels.shape[:2]
    axes.grid(visible=False)
    axes.set_anchor("N")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.imshow(
        _enlarged(picture.pixels), cmap="gray", vmin=0.0, vmax=1.0, interpolation="none",
        extent=(0, width, height, 0),
    )  # fmt: skip


def _enlarged(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every pixel as a square of several, where a picture is small."""
    times = max(CRISP // max(pixels.shape[:2]), 1)
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _draw_sight(axes: Axes, sight: Sight) -> None:
    """The surest boxes last, above the others."""
    for box in sight.missed:
        _draw_box(axes, box, MISSED)
    for box in reversed(sight.found):
        look = RIGHT if box.right else WRONG
        _draw_box(axes, box, look)
        _name(axes, box, look, f"{_shortened(box.name, MOST_OF_CLASS)} {box.score:.2f}")


def _draw_box(axes: Axes, box: Box, look: _Look) -> None:
    left, top, right, bottom = box.edges
    axes.add_patch(
        Rectangle(
            (left, top), right - left, bottom - top, fill=False, edgecolor=look.colour,
            linestyle=look.line, linewidth=LINE, path_effects=_halo(),
        )
    )  # fmt: skip


def _name(axes: Axes, box: Box, look: _Look, words: str) -> None:
    """Words at the upper edge of a box: above it where there is room, within the picture."""
    left, top, right, _ = box.edges
    ends = left > FAR_RIGHT * axes.get_xlim()[1]
    inside = top < ROOM * axes.get_ylim()[0]
    axes.annotate(
        words, (right if ends else left, top), xytext=(0, -1.5 if inside else 1.5),
        textcoords="offset points", ha="right" if ends else "left",
        va="top" if inside else "bottom", fontsize=SMALL, color="black",
        bbox={"facecolor": look.colour, "edgecolor": "none", "pad": 0.6},
    )  # fmt: skip


def _name_looks(axes: Axes) -> None:
    """What the legend tells."""
    for look in (TRUE, RIGHT, WRONG, MISSED):
        axes.plot(
            [], [], color=look.colour, linestyle=look.line, linewidth=LINE, label=look.label,
            path_effects=_halo(),
        )  # fmt: skip


def _halo() -> Sequence[withStroke]:
    return [withStroke(linewidth=HALO_LINE, foreground=HALO)]


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _end_of(text: str, most: int) -> str:
    """Of a path the end tells most."""
    return text if len(text) <= most else f"…{text[-most:]}"

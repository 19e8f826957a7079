"""What all figures share: colours, markers, sizes, panels, saving; no display, no global state.

Colours, markers and line styles all differ, so that a figure survives grey print and colour
blindness.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

# Okabe and Ito 2008, "Color universal design"; its yellow is left out, being too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
# Filled, of like weight, and as many as colours: each round of them is shifted by one.
MARKERS = ("o", "s", "^", "D", "v", "p", "<")
LINES = ("-", "--", "-.", ":")
GREY, PALE = "#8A8A8A", "#C4C4C4"  # trials that are not the point; trials that were cut
PANEL_INCHES = (3.0, 2.5)  # width, height
LEGEND_INCHES, LEGEND_ROW_INCHES = 0.27, 0.18  # height of a legend without rows, and of each row
ENTRY_INCHES, LETTER_INCHES = 0.65, 0.066  # width of an entry without its label, and of a letter
LEGEND_COLUMNS = 4
BAND = 0.18  # opacity
DOTS_PER_INCH = 300  # of the PNG, and of what is too much for lines in an SVG; as journals ask
STYLE: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same figure on every machine
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
}
PNG = {"compress_level": 1}  # a third of the time at the default, a fifth more bytes
SVG_SALT = "almkd"  # makes the identifiers in an SVG the same from run to run


@dataclass(frozen=True)
class Look:
    """How a series is drawn wherever it is drawn."""

    colour: str
    marker: str
    line: str


def look(position: int) -> Look:
    """The look of the series at a position; no two of the first 28 agree."""
    return Look(
        PALETTE[position % len(PALETTE)],
        MARKERS[(position + position // len(PALETTE)) % len(MARKERS)],
        LINES[position % len(LINES)],
    )


@dataclass(frozen=True)
class Grid:
    """Rows and columns of panels; inches of one; which axes they share ("row", "col", "all")."""

    rows: int
    columns: int
    panel: tuple[float, float] = PANEL_INCHES
    share_x: str = "none"
    share_y: str = "none"


def draw_grid(grid: Grid, draw: Callable[[Any], None]) -> Figure:
    """A figure whose axes, (rows, columns), are drawn by `draw`, with one legend below them."""
    width = max(grid.panel[0] * grid.columns, 1.3 * PANEL_INCHES[0])
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, grid.panel[1] * grid.rows), layout="constrained")
        axes = figure.subplots(
            grid.rows, grid.columns, sharex=grid.share_x, sharey=grid.share_y, squeeze=False
        )  # type: ignore[call-overload]
        draw(axes)
        _add_legend(figure, axes)
    return figure


def _add_legend(figure: Figure, axes: Any) -> None:
    """An entry per label of any panel, in as many columns as fit; the figure grows with it."""
    entries: dict[str, Any] = {}
    for panel in axes.flat:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    width, height = figure.get_size_inches()
    of_entry = ENTRY_INCHES + LETTER_INCHES * max(map(len, entries))
    columns = max(1, min(len(entries), LEGEND_COLUMNS, int(width / of_entry)))
    rows = -(-len(entries) // columns)
    figure.set_size_inches(width, height + LEGEND_INCHES + LEGEND_ROW_INCHES * rows)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handlelength=3.0,
    )


def even_columns(panels: int, most: int) -> int:
    """Columns for so many panels, as even as can be: four panels stand two by two."""
    rows = -(-panels // most)
    return -(-panels // rows)


def say(axes: Axes, words: str) -> None:
    """A panel that has nothing to draw says why."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _take_dollars_as_such(figure: Figure) -> None:
    """Have nothing in a figure read as a formula but the powers beside logarithmic axes: names of
    axes, classes and examples are the user's own."""
    powers = {
        id(label)
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axis.get_scale() == "log"
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
    }
    for text in figure.findobj(Text):
        if id(text) not in powers:
            text.set_parse_math(False)


def save(figure: Figure, directory: Path, stem: str) -> tuple[Path, Path]:
    """Writes `stem`.svg and `stem`.png, making the directory; the same figure gives the same bytes.

    Returns both paths. Raises OSError where the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    _take_dollars_as_such(figure)
    svg, png = directory / f"{stem}.svg", directory / f"{stem}.png"
    # The style is needed again here: some of it is looked up only when a figure is drawn.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": SVG_SALT}):
        # Not by `savefig`, which draws once more to no purpose before it draws to a file.
        figure.set_dpi(DOTS_PER_INCH)
        canvas: Any = FigureCanvasSVG(figure)
        canvas.print_svg(svg, metadata={"Date": None})
        figure.set_layout_engine("none")  # it is laid out by now; doing so again takes as long
        figure.set_dpi(DOTS_PER_INCH)
        canvas = FigureCanvasAgg(figure)
        canvas.print_png(png, metadata={"Software": None}, pil_kwargs=PNG)
    return svg, png

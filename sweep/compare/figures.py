"""Figures of a sweep, drawn without a display and without global state.

Colours, markers and line styles all differ, so that a figure survives grey print and colour
blindness.
"""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.compare.notation import axis_label, teachers_differ
from sweep.compare.records import SweepRecord
from sweep.plan import Condition

# Okabe and Ito 2008, "Color universal design"; its yellow is left out, being too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
# Filled, of like weight, and as many as colours: each round of them is shifted by one.
MARKERS = ("o", "s", "^", "D", "v", "p", "<")
LINES = ("-", "--", "-.", ":")
COLUMNS = 3  # most panels side by side
PANEL_INCHES = (3.0, 2.5)  # width, height
LEGEND_INCHES = 0.45  # height a row of the legend takes
LEGEND_COLUMNS = 4
DODGE = 0.045  # between neighbouring methods, as a share of the smallest step of the noise rate
INTERVAL_WIDTH = 1.5  # points; bars without caps stay clear where many stand side by side
DOTS_PER_INCH = 300  # of the PNG; what journals ask of a halftone
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
SVG_SALT = "almkd"  # makes the identifiers in an SVG the same from run to run

Panel = tuple[str, str]  # noise kind, teacher labels


def metric_over_noise(table: pd.DataFrame, record: SweepRecord) -> Figure:
    """The test metric over the noise rate, per method, with the 95 % intervals of the table.

    One panel per noise kind and teacher labels. Points of one noise rate stand slightly apart, so
    that no interval hides another; an interval that is not seen is smaller than its marker. A cell
    without a value leaves a gap in its line.
    """
    panels = panels_of(record)
    rows = -(-len(panels) // COLUMNS)
    columns = -(-len(panels) // rows)  # as even as can be: four panels stand two by two
    legend_rows = -(-len(record.methods) // LEGEND_COLUMNS)
    width = max(PANEL_INCHES[0] * columns, 1.3 * PANEL_INCHES[0])
    height = PANEL_INCHES[1] * rows + LEGEND_INCHES * legend_rows
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
        axes = list(grid.flat)
        for panel_axes, panel in zip(axes, panels, strict=False):
            _draw_panel(panel_axes, table, record, panel)
            panel_axes.set_title(panel_title(panel, record))
        for position, panel_axes in enumerate(axes):
            panel_axes.set_visible(position < len(panels))
            if position % columns == 0:
                panel_axes.set_ylabel(axis_label(record))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            loc="outside lower center",
            ncols=min(len(record.methods), LEGEND_COLUMNS),
            frameon=False,
            handlelength=3.0,
        )
    return figure


def save(figure: Figure, directory: Path, stem: str) -> tuple[Path, Path]:
    """Writes `stem`.svg and `stem`.png, making the directory; the same figure gives the same bytes.

    Returns both paths. Raises OSError where the directory cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    svg, png = directory / f"{stem}.svg", directory / f"{stem}.png"
    # The style is needed again here: some of it is looked up only when a figure is drawn.
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": SVG_SALT}):
        figure.savefig(svg, metadata={"Date": None})
        figure.savefig(png, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return svg, png


def panels_of(record: SweepRecord) -> list[Panel]:
    """The panels of a figure over the noise rate, in the order of the spec.

    A noise kind that is only there at rate zero has no panel of its own: it is the absence of
    noise, and starts the line of every other kind with the same teacher labels.
    """
    panels = list(dict.fromkeys((c.noise_kind, c.teacher_labels) for c in record.conditions))
    noisy = [panel for panel in panels if not _is_clean(panel, record)]
    lonely = [
        (kind, labels)
        for kind, labels in panels
        if (kind, labels) not in noisy and all(labels != other for _, other in noisy)
    ]
    return [panel for panel in panels if panel in noisy or panel in lonely]


def conditions_of(panel: Panel, record: SweepRecord) -> list[Condition]:
    """Conditions of a panel by noise rate, one per rate."""
    labels = panel[1]
    own = {c.noise_rate: c for c in record.conditions if (c.noise_kind, c.teacher_labels) == panel}
    clean = {
        c.noise_rate: c
        for c in record.conditions
        if c.teacher_labels == labels and _is_clean((c.noise_kind, c.teacher_labels), record)
    }
    return [condition for _, condition in sorted({**clean, **own}.items())]


def panel_title(panel: Panel, record: SweepRecord) -> str:
    """Noise kind and, where the sweep varies them, the labels its teachers saw."""
    kind, labels = panel
    title = f"{kind} noise"
    if teachers_differ(record):
        title += f", teacher: {labels} labels"
    return title[0].upper() + title[1:]


def _is_clean(panel: Panel, record: SweepRecord) -> bool:
    rates = {c.noise_rate for c in record.conditions if (c.noise_kind, c.teacher_labels) == panel}
    return rates == {0.0}


def _draw_panel(axes: Axes, table: pd.DataFrame, record: SweepRecord, panel: Panel) -> None:
    conditions = conditions_of(panel, record)
    rates = np.array([100.0 * condition.noise_rate for condition in conditions])
    step = float(np.min(np.diff(rates))) if len(rates) > 1 else 10.0
    for position, method in enumerate(record.methods):
        shift = DODGE * step * (position - (len(record.methods) - 1) / 2)
        values = np.array([_cell_values(table, record, c, method) for c in conditions])
        _draw_method(axes, rates + shift, values, (position, method))
    axes.set_xticks(rates, [f"{rate:g}" for rate in rates])
    axes.set_xlim(rates[0] - 0.4 * step, rates[-1] + 0.4 * step)
    axes.set_xlabel("Label noise rate (%)")
    axes.grid(visible=False, axis="x")


def _draw_method(
    axes: Axes, x: np.ndarray, values: np.ndarray, numbered_method: tuple[int, str]
) -> None:
    """Draws mean, low and high, (K, 3), over K noise rates, (K,)."""
    position, method = numbered_method
    colour = PALETTE[position % len(PALETTE)]
    mean, low, high = values.T
    axes.vlines(x, low, high, color=colour, linewidth=INTERVAL_WIDTH)
    axes.plot(
        x,
        mean,
        color=colour,
        linestyle=LINES[position % len(LINES)],
        marker=MARKERS[(position + position // len(PALETTE)) % len(MARKERS)],
        markeredgecolor="white",
        markeredgewidth=0.5,
        label=method,
    )


def _cell_values(
    table: pd.DataFrame, record: SweepRecord, condition: Condition, method: str
) -> tuple[float, float, float]:
    """Mean, low and high of a cell; with several baselines its rows agree, so the first is read."""
    rows = table[
        (table["noise_kind"] == condition.noise_kind)
        & (table["noise_rate"] == condition.noise_rate)
        & (table["teacher_labels"] == condition.teacher_labels)
        & (table["method"] == method)
    ]
    row = rows.iloc[0]
    return row[f"{record.test_column}_mean"], row["ci95_low"], row["ci95_high"]

"""The test metric over the noise rate, with intervals."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.compare.figures.style import Grid, draw_grid, even_columns, look
from sweep.compare.notation import axis_label, teachers_differ
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

COLUMNS = 3  # most panels side by side
DODGE = 0.045  # between neighbouring methods, as a share of the smallest step of the noise rate
INTERVAL_WIDTH = 1.5  # points; bars without caps stay clear where many stand side by side

Panel = tuple[str, str]  # noise kind, teacher labels


def metric_over_noise(table: pd.DataFrame, record: SweepRecord) -> Figure:
    """The test metric over the noise rate, per method, with the 95 % intervals of the table.

    One panel per noise kind and teacher labels. Points of one noise rate stand slightly apart, so
    that no interval hides another; an interval that is not seen is smaller than its marker. A cell
    without a value leaves a gap in its line.
    """
    panels = panels_of(record)
    columns = even_columns(len(panels), COLUMNS)
    grid = Grid(-(-len(panels) // columns), columns, share_y="all")

    def draw(grid_axes: Any) -> None:
        axes = list(grid_axes.flat)
        for panel_axes, panel in zip(axes, panels, strict=False):
            _draw_panel(panel_axes, table, record, panel)
            panel_axes.set_title(panel_title(panel, record))
        for position, panel_axes in enumerate(axes):
            panel_axes.set_visible(position < len(panels))
            if position % columns == 0:
                panel_axes.set_ylabel(axis_label(record))

    return draw_grid(grid, draw)


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
    if teachers_differ(record.conditions):
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
    drawn = look(position)
    mean, low, high = values.T
    axes.vlines(x, low, high, color=drawn.colour, linewidth=INTERVAL_WIDTH)
    axes.plot(
        x,
        mean,
        color=drawn.colour,
        linestyle=drawn.line,
        marker=drawn.marker,
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

"""Means with their intervals over a number that conditions differ in, method by method."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.compare.figures.style import Grid, draw_grid, even_columns, look
from sweep.compare.records import SweepRecord
from sweep.compare.tables import rows_of
from sweep.plan.plan import Condition

COLUMNS = 3  # most panels side by side
DODGE = 0.045  # between neighbouring methods, as a share of the smallest step along the edge
INTERVAL_WIDTH = 1.5  # points; bars without caps stay clear where many stand side by side
FEW = 10.0  # times: numbers that span more stand on a logarithmic edge


def panels_figure(
    label: str, panels: int, draw: Callable[[Axes, int], None], share_y: str = "all"
) -> Figure:
    """Panels with what ``label`` names going up; ``draw`` fills the one of a number.

    ``share_y``: which of them have one scale of it, as of `Grid`.
    """
    columns = even_columns(panels, COLUMNS)
    grid = Grid(-(-panels // columns), columns, share_y=share_y)

    def draw_all(grid_axes: Any) -> None:
        axes = list(grid_axes.flat)
        for number in range(panels):
            draw(axes[number], number)
        for position, panel_axes in enumerate(axes):
            panel_axes.set_visible(position < panels)
            if position % columns == 0:
                panel_axes.set_ylabel(label)

    return draw_grid(grid, draw_all)


def draw_means(
    axes: Axes, table: pd.DataFrame, record: SweepRecord, conditions: Mapping[float, Condition]
) -> None:
    """A line per method over ``conditions``, by the number that each stands at, rising."""
    numbers = np.array(list(conditions))
    logarithmic = bool(numbers[0] > 0 and numbers[-1] / numbers[0] >= FEW)
    places = np.log(numbers) if logarithmic else numbers
    step = float(np.min(np.diff(places))) if len(places) > 1 else 10.0
    back = np.exp if logarithmic else np.array
    for position, method in enumerate(record.methods):
        shift = DODGE * step * (position - (len(record.methods) - 1) / 2)
        values = np.array([_values(table, record, c, method) for c in conditions.values()])
        draw_method(axes, back(places + shift), values, (position, method))
    if logarithmic:
        axes.set_xscale("log")
    axes.set_xticks(numbers, [f"{number:g}" for number in numbers])
    axes.minorticks_off()
    axes.set_xlim(*back(np.array([places[0] - 0.4 * step, places[-1] + 0.4 * step])))
    axes.grid(visible=False, axis="x")


def draw_method(
    axes: Axes, x: np.ndarray, values: np.ndarray, numbered_method: tuple[int, str]
) -> None:
    """Draws mean, low and high, (K, 3), at K places, (K,)."""
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


def _values(
    table: pd.DataFrame, record: SweepRecord, condition: Condition, method: str
) -> tuple[float, float, float]:
    """Mean, low and high of a cell; with several baselines its rows agree, so the first is read."""
    rows = rows_of(table, condition)
    row = rows[rows["method"] == method].iloc[0]
    return row[f"{record.test_column}_mean"], row["ci95_low"], row["ci95_high"]

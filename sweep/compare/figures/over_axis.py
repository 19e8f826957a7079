"""The test metric over a numeric axis of the conditions, and differences over two of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sweep.compare.figures.means import COLUMNS, draw_means, panels_figure
from sweep.compare.figures.style import GREY, Grid, draw_grid, even_columns
from sweep.compare.notation import axis_label, condition_levels, decimals, varying
from sweep.compare.questions import pairs
from sweep.compare.records import SweepRecord
from sweep.compare.tables import rows_of
from sweep.plan.plan import Condition

NOISE = "noise_rate"
CELL_INCHES = (0.62, 0.42)
MARGIN_INCHES = (1.1, 0.9)
# How much wider a place is that names a row too.
NAMED = 2.0


@dataclass(frozen=True)
class Edge:
    """A number that conditions differ in. ``name``: an axis, or the noise rate."""

    name: str
    title: str

    def of(self, condition: Condition) -> float:
        """The number of a condition, noise rates in percent."""
        if self.name == NOISE:
            return 100.0 * condition.noise_rate
        numbers = {value.axis: value.number for value in condition.varied}
        number = numbers[self.name]
        assert number is not None
        return number


def edges_of(record: SweepRecord) -> list[Edge]:
    """The numbers that the conditions differ in, the noise rate first."""
    conditions = record.conditions
    noise = len({condition.noise_rate for condition in conditions}) > 1
    found = [Edge(NOISE, "Label noise rate (%)")] if noise else []
    numeric = {v.axis for c in conditions for v in c.varied if v.number is not None}
    return [*found, *(Edge(axis, axis) for axis in varying(conditions) if axis in numeric)]


def metric_over_axis(table: pd.DataFrame, record: SweepRecord, edge: Edge) -> Figure:
    """The test metric over an axis, per method, with the 95 % intervals of the table.

    One panel for each setting of everything else.
    """
    panels = _grouped(record.conditions, edge)

    def draw(axes: Axes, number: int) -> None:
        conditions = panels[number]
        draw_means(axes, table, record, {edge.of(c): c for c in conditions})
        axes.set_xlabel(edge.title)
        axes.set_title(_title(conditions, record))

    return panels_figure(axis_label(record), len(panels), draw)


def map_of_differences(
    table: pd.DataFrame, record: SweepRecord, edges: tuple[Edge, Edge]
) -> Figure:
    """Differences over two numbers: a panel for each pair of rows and each other setting.

    A difference in a frame and bold is called; the colour says its sign and size.
    """
    across, down = edges
    panels = [
        (conditions, method, baseline)
        for conditions in _grouped(record.conditions, *edges)
        for method, baseline in pairs(record)
    ]
    most = float(np.nanmax(np.abs(table["delta"].to_numpy(dtype=float)), initial=0.0)) or 1.0
    shape = [len({edge.of(c) for c in record.conditions}) for edge in edges]
    size = [m + n * c for m, n, c in zip(MARGIN_INCHES, shape, CELL_INCHES, strict=True)]
    columns = even_columns(len(panels), COLUMNS)
    grid = Grid(-(-len(panels) // columns), columns, (size[0], size[1]))

    def draw(grid_axes: Any) -> None:
        axes = list(grid_axes.flat)
        for panel_axes, (conditions, method, baseline) in zip(axes, panels, strict=False):
            found = _differences(table, conditions, method, baseline)
            _draw_map(panel_axes, record, edges, found, most)
            setting = _title(conditions, record)
            named = f"{method} − {baseline}"  # noqa: RUF001
            panel_axes.set_title("\n".join(filter(None, [setting, named])))
            panel_axes.set_xlabel(across.title)
            panel_axes.set_ylabel(down.title)
        for panel_axes in axes[len(panels) :]:
            panel_axes.set_visible(False)

    return draw_grid(grid, draw)


def map_against_best(
    against: pd.DataFrame, record: SweepRecord, edges: tuple[Edge, Edge]
) -> Figure:
    """Methods that learn weights minus the best row without, by validation, named in each place.

    ``against``: `sweep.compare.against_best.against_best_table`. Nothing is tested: no frames.
    """
    across, down = edges
    panels = [
        (conditions, method)
        for conditions in _grouped(record.conditions, *edges)
        for method in record.learns_weights
    ]
    most = float(np.nanmax(np.abs(against["delta"].to_numpy(dtype=float)), initial=0.0)) or 1.0
    shape = [len({edge.of(c) for c in record.conditions}) for edge in edges]
    wide = (CELL_INCHES[0] * NAMED, CELL_INCHES[1])
    size = [m + n * c for m, n, c in zip(MARGIN_INCHES, shape, wide, strict=True)]
    columns = even_columns(len(panels), 2)
    grid = Grid(-(-len(panels) // columns), columns, (size[0], size[1]))

    def draw(grid_axes: Any) -> None:
        axes = list(grid_axes.flat)
        for panel_axes, (conditions, method) in zip(axes, panels, strict=False):
            found = []
            for condition in conditions:
                rows = rows_of(against, condition)
                for row in rows[rows["method"] == method].to_dict("records"):
                    found.append((condition, {**row, "called": "", "named": row["reference"]}))
            _draw_map(panel_axes, record, edges, found, most)
            setting = _title(conditions, record)
            panel_axes.set_title("\n".join(filter(None, [setting, method])))
            panel_axes.set_xlabel(across.title)
            panel_axes.set_ylabel(down.title)
        for panel_axes in axes[len(panels) :]:
            panel_axes.set_visible(False)

    return draw_grid(grid, draw)


def _draw_map(
    axes: Axes,
    record: SweepRecord,
    edges: tuple[Edge, Edge],
    found: Sequence[tuple[Condition, dict[Any, Any]]],
    most: float,
) -> None:
    numbers = [sorted({edge.of(c) for c, _ in found}) for edge in edges]
    values = np.full((len(numbers[1]), len(numbers[0])), np.nan)
    widths = [row["delta_ci95_high"] - row["delta_ci95_low"] for _, row in found]
    digits = decimals(float(np.median(widths)))
    for condition, row in found:
        x, y = (ns.index(edge.of(condition)) for ns, edge in zip(numbers, edges, strict=True))
        values[y, x] = row["delta"]
        if np.isnan(row["delta"]):
            axes.text(x, y, "–", ha="center", va="center", color=GREY)  # noqa: RUF001
            continue
        weight = "bold" if row["called"] else "normal"
        named = [str(row["named"])] if "named" in row else []
        text = "\n".join([f"{row['delta']:+z.{digits}f}", *named])
        axes.text(x, y, text, ha="center", va="center", fontweight=weight)
        if row["called"]:
            place = (x - 0.46, y - 0.44)
            axes.add_patch(Rectangle(place, 0.92, 0.88, fill=False, linewidth=1.2))
    better = values if record.direction == "maximize" else -values
    axes.imshow(better, cmap="PuOr", vmin=-1.6 * most, vmax=1.6 * most, aspect="auto")
    for set_ticks, ns in zip((axes.set_xticks, axes.set_yticks), numbers, strict=True):
        set_ticks(range(len(ns)), [f"{n:g}" for n in ns])
    axes.invert_yaxis()
    axes.grid(visible=False)


def _differences(
    table: pd.DataFrame, conditions: Sequence[Condition], method: str, baseline: str
) -> list[tuple[Condition, dict[Any, Any]]]:
    found = []
    for condition in conditions:
        rows = rows_of(table, condition)
        row = rows[(rows["method"] == method) & (rows["baseline"] == baseline)].iloc[0]
        found.append((condition, row.to_dict()))
    return found


def _grouped(conditions: Sequence[Condition], *edges: Edge) -> list[list[Condition]]:
    """Conditions that differ in the numbers of these edges alone, rising along them."""
    names = {edge.name for edge in edges}
    groups: dict[tuple[object, ...], list[Condition]] = {}
    for condition in conditions:
        rest = tuple(x for name, x in condition.columns.items() if name not in names)
        groups.setdefault(rest, []).append(condition)
    return [sorted(group, key=lambda c: [e.of(c) for e in edges]) for group in groups.values()]


def _title(conditions: Sequence[Condition], record: SweepRecord) -> str:
    """What the conditions of a panel share, of what sets the record's conditions apart."""
    levels = [condition_levels(condition, record.conditions) for condition in conditions]
    return ", ".join(text for text in levels[0] if all(text in texts for texts in levels))

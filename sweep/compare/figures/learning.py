"""Learning curves per cell, and where pruning cut."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from sweep.compare.curves import Curves
from sweep.compare.figures.style import BAND, GREY, PALE, Grid, draw_grid, even_columns, look, say
from sweep.compare.notation import condition_title, objective_label
from sweep.compare.records import SweepRecord, trials_of
from sweep.compare.statistics import Floats
from sweep.plan.plan import Condition

PANEL = (2.5, 1.9)  # inches
MOST_ACROSS = 4  # methods; more of them go on below
MOST_LINES = (
    600  # beyond, an SVG holds the search trials as one picture: no reader tells more apart
)


def learning_curves(record: SweepRecord, curves: Curves) -> Figure:
    """The objective on the validation split over epochs: conditions down, methods across.

    Thin lines are search trials, a cross is where pruning cut one. The thick line is the mean over
    the confirm seeds of the configuration that was chosen, its band from the lowest to the highest.
    """
    across = even_columns(len(record.methods), MOST_ACROSS)
    down = -(-len(record.methods) // across)
    rows = down * len(record.conditions)
    grid = Grid(rows, across, PANEL, share_x="all", share_y="row")

    def draw(axes: Any) -> None:
        for place, panel in np.ndenumerate(axes):
            block, row = divmod(place[0], down)
            number = row * across + place[1]
            if number >= len(record.methods):
                panel.set_axis_off()
                continue
            condition, method = record.conditions[block], record.methods[number]
            _draw_cell(panel, record, curves, condition, method)
            if block == 0 or down > 1:
                panel.set_title(method)
            if place[0] == rows - 1 or number + across >= len(record.methods):
                panel.set_xlabel("Epoch")
            if place[1] == 0:
                title = condition_title(condition, record.conditions)
                panel.set_ylabel(f"{title}\n{objective_label(record)}")

    return draw_grid(grid, draw)


def over_seeds(curves: Curves, runs: pd.DataFrame, metric: str) -> tuple[Floats, Floats]:
    """Epochs (E,) and a metric of several runs, (S, E), with NaN where a run has no value."""
    series = [curves.of(str(run_id), metric) for run_id in runs["run_id"]]
    epochs = np.unique(np.concatenate([e for e, _ in series])) if series else np.empty(0)
    values = np.full((len(series), len(epochs)), np.nan)
    for row, (e, v) in enumerate(series):
        values[row, np.searchsorted(epochs, e)] = v
    return epochs, values


def draw_range(axes: Axes, epochs: Floats, values: Floats, **line: Any) -> None:
    """The mean over seeds as a line, and a band from the lowest to the highest: (E,), (S, E)."""
    axes.plot(epochs, np.nanmean(values, axis=0), **line)
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    axes.fill_between(epochs, low, high, color=line["color"], alpha=BAND, linewidth=0)


def _draw_cell(
    axes: Axes, record: SweepRecord, curves: Curves, condition: Condition, method: str
) -> None:
    metric = record.validation_column
    search = trials_of(record, "search", condition, method)
    confirm = trials_of(record, "confirm", condition, method)
    _draw_trials(axes, curves, search, metric)
    epochs, values = over_seeds(curves, confirm, metric)
    if len(epochs):
        drawn = look(record.methods.index(method))
        label = (
            "chosen configuration, mean and range over seeds" if _is_first(record, method) else ""
        )
        draw_range(axes, epochs, values, color=drawn.colour, linewidth=1.8, label=label)
    elif search.empty:
        say(axes, "nothing ran")


def _is_first(record: SweepRecord, method: str) -> bool:
    return method == record.methods[0]


def _draw_trials(axes: Axes, curves: Curves, search: pd.DataFrame, metric: str) -> None:
    """Search trials as thin lines, those cut short paler and with a cross at their end."""
    drawn = {"pruned": [], "": []}  # type: dict[str, list[Floats]]
    for row in search.to_dict("records"):
        epochs, values = curves.of(row["run_id"], metric)
        if len(epochs):
            kind = "pruned" if row["state"] == "pruned" else ""
            drawn[kind].append(np.column_stack([epochs, values]))
    many = len(search) > MOST_LINES
    for kind, colour, label in (("pruned", PALE, "pruned trial"), ("", GREY, "search trial")):
        if drawn[kind]:
            lines = LineCollection(
                drawn[kind], colors=colour, linewidths=0.5, label=label, rasterized=many
            )
            axes.add_collection(lines)
    ends = np.array([line[-1] for line in drawn["pruned"]])
    if len(ends):
        axes.plot(
            *ends.T, "x", color="#444444", markersize=3.2, markeredgewidth=0.8,
            label="where pruning cut", rasterized=many,
        )  # fmt: skip
    axes.autoscale_view()

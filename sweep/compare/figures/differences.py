"""Paired differences between methods and baselines, with their intervals."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sweep.compare.comparison import paired_scores
from sweep.compare.figures.style import GREY, PANEL_INCHES, Grid, draw_grid, look
from sweep.compare.notation import better_text, condition_title, difference_unit
from sweep.compare.records import SweepRecord
from sweep.compare.tables import rows_of

ROW_INCHES = 0.3
SEED_DOT = 9.0  # area, points squared


def paired_differences(table: pd.DataFrame, record: SweepRecord) -> Figure:
    """One row per comparison: the seeds as pale dots, their mean with its 95 % interval.

    A filled marker is a difference that is called: the interval excludes zero and the adjusted p is
    below the level. A hollow one is not.
    """
    places = [
        (condition, row)
        for condition in record.conditions
        for row in rows_of(table, condition).to_dict("records")
        if row["question"]
    ]
    grid = Grid(1, 1, (2.1 * PANEL_INCHES[0], 0.7 + ROW_INCHES * max(len(places), 2)))

    def draw(axes: Any) -> None:
        panel = axes[0, 0]
        for y, (condition, row) in enumerate(places):
            a, b = paired_scores(record, condition, row["method"], row["baseline"])
            _draw_row(panel, record, y, (row, a - b))
        names = [
            f"{condition_title(condition, record.conditions)}: {row['method']} − {row['baseline']}"  # noqa: RUF001
            for condition, row in places
        ]
        panel.set_yticks(range(len(places)), names)
        panel.set_ylim(len(places) - 0.5, -0.5)
        panel.axvline(0.0, color="black", linewidth=0.8)
        panel.grid(visible=False, axis="y")
        for y in _first_rows(places)[1:]:
            panel.axhline(y - 0.5, color="#E3E3E3", linewidth=0.6)
        unit = difference_unit(record)
        panel.set_xlabel(f"Difference{unit} ({better_text(record)})")
        _add_legend(panel)

    return draw_grid(grid, draw)


def _first_rows(places: list[tuple[Any, Any]]) -> list[int]:
    """Where a condition begins."""
    return [y for y, (c, _) in enumerate(places) if y == 0 or c != places[y - 1][0]]


def _draw_row(
    axes: Axes, record: SweepRecord, y: int, measured: tuple[dict[Any, Any], np.ndarray]
) -> None:
    row, differences = measured
    drawn = look(record.methods.index(row["method"]))
    if not len(differences):
        words = "no seed finished by both"
        axes.text(
            0.5, y, words, transform=axes.get_yaxis_transform(), ha="center", va="center",
            color=GREY, backgroundcolor="white", in_layout=False,
        )  # fmt: skip
        return
    axes.scatter(differences, np.full(len(differences), y), s=SEED_DOT, color="#BDBDBD", zorder=2)
    axes.hlines(y, row["delta_ci95_low"], row["delta_ci95_high"], color=drawn.colour, linewidth=1.8)
    axes.plot(
        row["delta"], y, drawn.marker, color=drawn.colour, markersize=6, zorder=4,
        markerfacecolor=drawn.colour if row["called"] else "white",
    )  # fmt: skip


def _add_legend(axes: Axes) -> None:
    """Marks by their meaning; the methods are named on the axis."""
    for label, face in (("called", "#444444"), ("not called", "white")):
        axes.add_line(
            Line2D([], [], marker="o", linestyle="-", color="#444444", markerfacecolor=face,
                   label=f"{label}, 95 % interval")
        )  # fmt: skip
    axes.scatter([], [], s=SEED_DOT, color="#BDBDBD", label="one seed")

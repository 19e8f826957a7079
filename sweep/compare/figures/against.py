"""One metric against another: what is gained on one and lost on the other."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.compare.comparison import mean_with_interval
from sweep.compare.figures.means import INTERVAL_WIDTH, draw_method, panels_figure
from sweep.compare.figures.style import GREY, look
from sweep.compare.notation import axis_label, condition_title
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

# Above the lines of the grid, below intervals.
CROSS: Mapping[str, Any] = {"color": GREY, "linewidth": 0.8, "zorder": 0.9}


def metric_against_metric(record: SweepRecord, seed: int) -> Figure:
    """Of two metrics on the test split the first across, the second up: a point for each method at
    its means, with the 95 % intervals of the tables. A panel for each condition, with scales of
    its own: methods are told apart within a condition.

    Grey lines cross at the first baseline, so that a method that gains on both stands in one
    quadrant, one that pays for the one with the other in another. A cell without a value is left
    out. ``seed``, a non-negative integer, fixes the resampling.
    """
    across, up = (record.looking_at(metric) for metric in record.measured_against)

    def draw(axes: Axes, number: int) -> None:
        condition = record.conditions[number]
        for position, method in enumerate(record.methods):
            x, y = (_values(seen, condition, method, seed) for seen in (across, up))
            if method == record.baselines[0] and np.isfinite([x[0], y[0]]).all():
                axes.axvline(x[0], **CROSS)
                axes.axhline(y[0], **CROSS)
            axes.hlines(y[0], *x[1:], color=look(position).colour, linewidth=INTERVAL_WIDTH)
            draw_method(axes, x[:1], y[None], (position, method))
        axes.set_xlabel(axis_label(across))
        axes.set_title(condition_title(condition, record.conditions))

    return panels_figure(axis_label(up), len(record.conditions), draw, share_y="none")


def _values(record: SweepRecord, condition: Condition, method: str, seed: int) -> np.ndarray:
    """Mean, low and high of a cell, (3,)."""
    return np.array(mean_with_interval(record, condition, method, seed))

"""How far a method trusts the labels of clean and of corrupted examples, over training."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sweep.compare.curves import Curves
from sweep.compare.figures.learning import draw_range, over_seeds
from sweep.compare.figures.style import GREY, LINES, PALETTE, Grid, draw_grid, even_columns, say
from sweep.compare.notation import condition_title
from sweep.compare.records import SweepRecord, trials_of
from sweep.plan.plan import Condition

PANEL = (2.4, 1.9)  # inches
COLUMNS = 4
WEIGHTS = (
    ("lambda_label_clean", "label, clean examples", PALETTE[0], LINES[0]),
    ("lambda_label_corrupted", "label, corrupted examples", PALETTE[1], LINES[1]),
    ("lambda_teacher", "teacher, all examples", GREY, LINES[3]),
)
# Sweeps of earlier versions know the mean over all examples alone.
ALL_LABELS = ("lambda_label", "label, all examples", PALETTE[0], LINES[0])
AUROC = "lambda_auroc"


def weighing_methods(record: SweepRecord, curves: Curves) -> tuple[str, ...]:
    """Methods whose confirm runs report weights, in the order of the spec."""
    return tuple(m for m in record.methods if any(_weights(record, curves, c, m) for c in
                 record.conditions))  # fmt: skip


def weights_over_training(record: SweepRecord, curves: Curves, method: str) -> Figure:
    """The weights of a method's confirm runs, and below them how well they rank clean examples.

    Lines are means over seeds, bands reach from the lowest to the highest. An AUROC of 0.5 is
    chance: the label's weight says nothing about which labels are wrong.
    """
    columns = even_columns(len(record.conditions), COLUMNS)
    blocks = -(-len(record.conditions) // columns)
    grid = Grid(2 * blocks, columns, PANEL, share_x="all", share_y="row")

    def draw(axes: Any) -> None:
        for place in range(blocks * columns):
            block, column = divmod(place, columns)
            pair = (axes[2 * block, column], axes[2 * block + 1, column])
            if place >= len(record.conditions):
                for panel in pair:
                    panel.set_visible(False)
                continue
            _draw_condition(pair, record, curves, record.conditions[place], method)
            if column == 0:
                pair[0].set_ylabel("Mean weight λ")
                pair[1].set_ylabel("AUROC of the\nlabel's λ")

    return draw_grid(grid, draw)


def _weights(
    record: SweepRecord, curves: Curves, condition: Condition, method: str
) -> list[tuple[str, str, str, str]]:
    """Which weights a cell reports."""
    runs = trials_of(record, "confirm", condition, method)
    found = [w for w in (*WEIGHTS, ALL_LABELS) if over_seeds(curves, runs, w[0])[0].size]
    names = [w[0] for w in found]
    return [w for w in found if w is not ALL_LABELS or "lambda_label_clean" not in names]


def _draw_condition(
    axes: tuple[Any, Any],
    record: SweepRecord,
    curves: Curves,
    condition: Condition,
    method: str,
) -> None:
    runs = trials_of(record, "confirm", condition, method)
    weights, ranking = axes
    weights.set_title(condition_title(condition, record.conditions))
    for metric, label, colour, line in _weights(record, curves, condition, method):
        epochs, values = over_seeds(curves, runs, metric)
        draw_range(weights, epochs, values, color=colour, linestyle=line, label=label)
    epochs, values = over_seeds(curves, runs, AUROC)
    if len(epochs):
        draw_range(ranking, epochs, values, color=PALETTE[2], label="AUROC, clean above corrupted")
        ranking.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    else:
        say(ranking, "no corrupted labels" if condition.noise_rate == 0 else "nothing finished")
    ranking.set_ylim(min(0.4, float(np.nanmin(values)) - 0.05 if values.size else 0.4), 1.02)
    ranking.set_xlabel("Epoch")

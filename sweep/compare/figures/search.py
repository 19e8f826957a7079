"""What the search tried: slices of the space, importance, and best-so-far over epochs spent."""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from search_spaces.domains import Choice, Float, Int
from sweep.compare.comparison import cell_rng
from sweep.compare.curves import Curves
from sweep.compare.figures.style import (
    BAND,
    GREY,
    PANEL_INCHES,
    Grid,
    draw_grid,
    even_columns,
    look,
    say,
)
from sweep.compare.notation import condition_title, objective_label
from sweep.compare.records import SweepRecord, trials_of
from sweep.compare.spending import best_so_far, resampled_best
from sweep.plan.plan import Condition

SLICE = (1.9, 1.6)  # inches
COLUMNS = 3
# Marks at the ends of a range are drawn whole; where there are none they would confuse the layout.
UNCLIPPED: dict[str, Any] = {"clip_on": False, "in_layout": False}
BUDGET_ROOM = 0.2  # above and below the lines, as a share of their range


def searched_methods(record: SweepRecord) -> tuple[str, ...]:
    """Methods with something to search, in the order of the spec."""
    return tuple(method for method in record.methods if record.spaces.get(method))


def slices(record: SweepRecord, curves: Curves, method: str) -> Figure:
    """A method's search trials: the objective over each hyperparameter, conditions down.

    A cross is a trial that was pruned, at its best value until then; the ring is the configuration
    that confirm took.
    """
    space = record.spaces[method]
    grid = Grid(len(record.conditions), len(space), SLICE, share_x="col", share_y="row")

    def draw(axes: Any) -> None:
        for row, condition in enumerate(record.conditions):
            frame = _tried(record, curves, condition, method)
            for column, name in enumerate(space):
                _draw_slice(axes[row, column], record, frame, (method, name))
            axes[row, 0].set_ylabel(
                f"{condition_title(condition, record.conditions)}\n{objective_label(record)}"
            )
        for column, name in enumerate(space):
            axes[-1, column].set_xlabel(name)

    return draw_grid(grid, draw)


def importance(record: SweepRecord, shares: pd.DataFrame) -> Figure:
    """How much of the spread of the objective each hyperparameter accounts for, per cell.

    `shares`: columns method, condition (its text), hyperparameter, importance.
    """
    methods = [m for m in record.methods if m in set(shares["method"])]
    columns = even_columns(max(len(methods), 1), COLUMNS)
    names = max((shares.groupby("method")["hyperparameter"].nunique()), default=1)
    height = 0.8 + 0.32 * names
    grid = Grid(-(-max(len(methods), 1) // columns), columns, (PANEL_INCHES[0], height))

    def draw(axes: Any) -> None:
        for position, panel in enumerate(axes.flat):
            if position >= len(methods):
                panel.set_visible(not methods)
                say(panel, "too few complete trials")
                continue
            _draw_importance(panel, record, shares[shares["method"] == methods[position]])
            panel.set_title(methods[position])

    return draw_grid(grid, draw)


def best_over_budget(record: SweepRecord, seed: int) -> Figure:
    """The best objective so far over the epochs that a cell's search had spent.

    The line is the search as it went. The band is where 95 % of searches of the same trials in
    random order, drawn with replacement, would have been: what a smaller budget would have shown.
    Where every seed has a search of its own, each is a thin line instead.
    """
    columns = even_columns(len(record.conditions), COLUMNS)
    grid = Grid(-(-len(record.conditions) // columns), columns)

    def draw(axes: Any) -> None:
        for position, panel in enumerate(axes.flat):
            if position >= len(record.conditions):
                panel.set_visible(False)
                continue
            condition = record.conditions[position]
            panel.set_title(condition_title(condition, record.conditions))
            _draw_budget(panel, record, condition, seed)
            panel.set_xlabel("Epochs spent")
            if position % columns == 0:
                panel.set_ylabel(f"Best so far, {objective_label(record).lower()}")

    return draw_grid(grid, draw)


def _tried(record: SweepRecord, curves: Curves, condition: Condition, method: str) -> pd.DataFrame:
    """Search trials of a cell: state, value, whether confirmed, one column per hyperparameter."""
    search = trials_of(record, "search", condition, method)
    confirmed = set(trials_of(record, "confirm", condition, method)["params"])
    best = np.nanmax if record.objective.direction == "maximize" else np.nanmin
    rows = []
    for row in search.to_dict("records"):
        _, values = curves.of(row["run_id"], record.validation_column)
        if len(values):
            chosen = row["params"] in confirmed and row["state"] == "complete"
            shown = {"state": row["state"], "value": best(values), "chosen": chosen}
            rows.append(shown | json.loads(row["params"]))
    return pd.DataFrame(rows, columns=["state", "value", "chosen", *record.spaces[method]])


def _draw_slice(
    axes: Axes, record: SweepRecord, frame: pd.DataFrame, place: tuple[str, str]
) -> None:
    method, name = place
    domain = record.spaces[method][name]
    if isinstance(domain, Choice):
        # Side by side by a step that never repeats, so that equal values do not hide each other.
        aside = 0.5 * ((np.arange(len(frame)) * 0.618) % 1 - 0.5)
        x = np.array([domain.choices.index(v) for v in frame[name]], dtype=float) + aside
        axes.set_xticks(range(len(domain.choices)), [str(c) for c in domain.choices])
        axes.set_xlim(-0.5, len(domain.choices) - 0.5)
    else:
        x = frame[name].to_numpy(dtype=float)
        _set_range(axes, domain)
    y = frame["value"].to_numpy(dtype=float)
    pruned, chosen = (frame["state"] == "pruned").to_numpy(), frame["chosen"].to_numpy(dtype=bool)
    drawn = look(record.methods.index(method))
    axes.plot(x[pruned], y[pruned], "x", color=GREY, markersize=3, label="pruned", **UNCLIPPED)
    axes.plot(
        x[~pruned], y[~pruned], "o", color=drawn.colour, markersize=3.5, alpha=0.8,
        markeredgewidth=0, label="complete", **UNCLIPPED,
    )  # fmt: skip
    axes.plot(
        x[chosen], y[chosen], "o", markersize=8, markerfacecolor="none", color="black",
        label="chosen", **UNCLIPPED,
    )  # fmt: skip


def _set_range(axes: Axes, domain: Float | Int) -> None:
    """The whole domain, its ends and its middle named: powers of ten say little of two decades."""
    axes.set_xscale("log" if domain.log else "linear")
    low, high = float(domain.low), float(domain.high)
    axes.set_xlim(low, high)
    middle = (low * high) ** 0.5 if domain.log else (low + high) / 2
    axes.set_xticks([low, middle, high], [f"{float(f'{t:.2g}'):g}" for t in (low, middle, high)])
    axes.minorticks_off()


def _draw_importance(axes: Axes, record: SweepRecord, shares: pd.DataFrame) -> None:
    order = shares.groupby("hyperparameter")["importance"].mean().sort_values(kind="stable")
    names = list(order.index)
    for position, condition in enumerate(record.conditions):
        title = condition_title(condition, record.conditions)
        rows = shares[shares["condition"] == title]
        drawn = look(position)
        axes.plot(
            rows["importance"],
            [names.index(name) for name in rows["hyperparameter"]],
            drawn.marker,
            color=drawn.colour,
            alpha=0.85,
            label=title,
        )
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(-0.02, 1.0)
    axes.set_xlabel("Importance (shares of 1)")


def _draw_budget(axes: Axes, record: SweepRecord, condition: Condition, seed: int) -> None:
    seen: list[float] = []
    for method in searched_methods(record):
        search = trials_of(record, "search", condition, method)
        drawn = look(record.methods.index(method))
        line: dict[str, Any] = {"color": drawn.colour, "linestyle": drawn.line, "label": method}
        searches = [search]
        if record.per_seed:
            searches = [one for _, one in search.groupby("seed")]
            line |= {"linewidth": 0.7, "alpha": 0.6}
        for one in searches:
            spent, best = best_so_far(one, record)
            seen.extend(best[np.isfinite(best)])
            if np.isfinite(best).any():
                axes.step(spent, best, where="post", **line)
                line["label"] = ""
        if search.empty or record.per_seed:
            continue
        rng = cell_rng(seed, record.name, str(condition), method, "budget")
        at, low, high = resampled_best(search, record, rng)
        axes.fill_between(at, low, high, step="post", color=drawn.colour, alpha=BAND, linewidth=0)
    if not seen:
        say(axes, "no complete trial")
    elif np.ptp(seen) > 0.0:
        # Bands of the smallest budgets reach far down; what the searches went through is the point.
        room = BUDGET_ROOM * float(np.ptp(seen))
        axes.set_ylim(min(seen) - room, max(seen) + room)

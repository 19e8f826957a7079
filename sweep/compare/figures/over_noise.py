"""The test metric over the noise rate, with intervals."""

from typing import NamedTuple

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sweep.compare.figures.means import draw_means, panels_figure
from sweep.compare.notation import axis_label, axis_texts, teachers_differ
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition


class Panel(NamedTuple):
    """What the conditions of a panel share; ``varied``: the labels of their values on the axes."""

    noise_kind: str
    teacher_labels: str
    varied: tuple[str, ...] = ()


def metric_over_noise(table: pd.DataFrame, record: SweepRecord) -> Figure:
    """The test metric over the noise rate, per method, with the 95 % intervals of the table.

    One panel per noise kind, teacher labels and values of the axes. Points of one noise rate stand
    slightly apart, so that no interval hides another; an interval that is not seen is smaller than
    its marker. A cell without a value leaves a gap in its line.
    """
    panels = panels_of(record)

    def draw(axes: Axes, number: int) -> None:
        conditions = conditions_of(panels[number], record)
        rates = [100.0 * condition.noise_rate for condition in conditions]
        draw_means(axes, table, record, dict(zip(rates, conditions, strict=True)))
        axes.set_xlabel("Label noise rate (%)")
        axes.set_title(panel_title(panels[number], record))

    return panels_figure(axis_label(record), len(panels), draw)


def panels_of(record: SweepRecord) -> list[Panel]:
    """The panels of a figure over the noise rate, in the order of the spec.

    A noise kind that is only there at rate zero has no panel of its own: it is the absence of
    noise, and starts the line of every other kind with the same teacher labels.
    """
    panels = list(dict.fromkeys(_panel(c) for c in record.conditions))
    noisy = [panel for panel in panels if not _is_clean(panel, record)]
    lonely = [
        panel
        for panel in panels
        if panel not in noisy and all(panel[1:] != other[1:] for other in noisy)
    ]
    return [panel for panel in panels if panel in noisy or panel in lonely]


def conditions_of(panel: Panel, record: SweepRecord) -> list[Condition]:
    """Conditions of a panel by noise rate, one per rate."""
    own = {c.noise_rate: c for c in record.conditions if _panel(c) == panel}
    clean = {
        c.noise_rate: c
        for c in record.conditions
        if _panel(c)[1:] == panel[1:] and _is_clean(_panel(c), record)
    }
    return [condition for _, condition in sorted({**clean, **own}.items())]


def panel_title(panel: Panel, record: SweepRecord) -> str:
    """Noise kind and, where the sweep varies them, teachers' labels and what the axes vary."""
    title = f"{panel.noise_kind} noise"
    if teachers_differ(record.conditions):
        title += f", teacher: {panel.teacher_labels} labels"
    axes = axis_texts(conditions_of(panel, record)[-1], record.conditions)
    return ", ".join([title[0].upper() + title[1:], *axes])


def _panel(condition: Condition) -> Panel:
    varied = tuple(value.label for value in condition.varied)
    return Panel(condition.noise_kind, condition.teacher_labels, varied)


def _is_clean(panel: Panel, record: SweepRecord) -> bool:
    return {c.noise_rate for c in record.conditions if _panel(c) == panel} == {0.0}

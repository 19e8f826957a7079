"""The objective at the end of each task, where classes come task by task."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sweep.compare.curves import Curves
from sweep.compare.figures.learning import draw_range, over_seeds
from sweep.compare.figures.means import panels_figure
from sweep.compare.figures.style import look
from sweep.compare.notation import condition_title, objective_label
from sweep.compare.records import SweepRecord, trials_of


def metric_over_tasks(record: SweepRecord, curves: Curves) -> Figure:
    """The objective on the validation split, over all classes that have come, at the end of each
    task: a line for each method, the mean over the confirm seeds, its band from the lowest to the
    highest. A panel for each condition."""
    length = record.epochs_of_task
    assert length

    def draw(axes: Axes, number: int) -> None:
        condition = record.conditions[number]
        for place, method in enumerate(record.methods):
            confirm = trials_of(record, "confirm", condition, method)
            epochs, values = over_seeds(curves, confirm, record.validation_column)
            ends = epochs % length == 0
            if ends.any():
                drawn = look(place)
                draw_range(
                    axes, epochs[ends] / length, values[:, ends], color=drawn.colour,
                    marker=drawn.marker, label=method if number == 0 else "",
                )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Tasks so far")
        axes.set_title(condition_title(condition, record.conditions))

    return panels_figure(objective_label(record), len(record.conditions), draw)

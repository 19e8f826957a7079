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
from sweep.spec.axes import overlap
from sweep.spec.spec import SweepSpec

# What decides where tasks end.
FIELDS = ("data.stream", "data.dataset", "student.training")


def has_tasks(spec: SweepSpec) -> bool:
    """Whether there are tasks, which end after the same epochs in every condition."""
    varied = any(overlap(axis.fields, FIELDS) for axis in spec.axes)
    return spec.student_training().phases > 1 and not varied


def metric_over_tasks(record: SweepRecord, curves: Curves, spec: SweepSpec) -> Figure:
    """The objective on the validation split, over all classes that have come, at the end of each
    task: a line for each method, the mean over the confirm seeds, its band from the lowest to the
    highest. A panel for each condition."""
    training = spec.student_training()

    def draw(axes: Axes, number: int) -> None:
        condition = record.conditions[number]
        for place, method in enumerate(record.methods):
            confirm = trials_of(record, "confirm", condition, method)
            epochs, values = over_seeds(curves, confirm, record.validation_column)
            ends = epochs % training.epochs == 0
            if ends.any():
                drawn = look(place)
                draw_range(
                    axes, epochs[ends] / training.epochs, values[:, ends], color=drawn.colour,
                    marker=drawn.marker, label=method if number == 0 else "",
                )  # fmt: skip
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Tasks so far")
        axes.set_title(condition_title(condition, record.conditions))

    return panels_figure(objective_label(record), len(record.conditions), draw)

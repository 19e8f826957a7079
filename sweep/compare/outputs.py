"""The files that a comparison leaves: tables, figures, report."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from sweep.atomic_files import replaced_together
from sweep.compare.comparison import trials_table
from sweep.compare.figures.against import metric_against_metric
from sweep.compare.figures.differences import paired_differences
from sweep.compare.figures.found_boxes import found_where
from sweep.compare.figures.learning import learning_curves
from sweep.compare.figures.over_axis import (
    NOISE,
    edges_of,
    map_against_best,
    map_of_differences,
    metric_over_axis,
)
from sweep.compare.figures.over_noise import metric_over_noise
from sweep.compare.figures.over_tasks import metric_over_tasks
from sweep.compare.figures.saver import FigureSaver
from sweep.compare.figures.search import best_over_budget, importance, searched_methods, slices
from sweep.compare.figures.timelines import said_when
from sweep.compare.figures.weights import weighing_methods, weights_over_training
from sweep.compare.findings import Findings
from sweep.compare.formats import to_csv, to_markdown
from sweep.compare.found_boxes import LEAST_SCORE, MOST_SHOWN, Gallery
from sweep.compare.notation import better_text, condition_title, difference_unit
from sweep.compare.paper import wide_latex
from sweep.compare.questions import exploratory_count, pairs
from sweep.compare.records import SweepRecord
from sweep.compare.report import Picture, report

REPORT = "report.html"
MEANS = (
    "Mean over seeds with 95 % intervals; an interval that is not seen is smaller than its marker."
)
ONE_SEARCH = (
    "Lines: the search as it went. Bands: 95 % of searches that draw the same trials at random,"
    " with replacement."
)
SEARCH_OF_EACH_SEED = "Thin lines: the search of each seed as it went."


@dataclass(frozen=True)
class Drawing:
    """A figure to draw: the stem of its files, what it is, how to read it."""

    stem: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def write_outputs(findings: Findings, directory: Path, saver: FigureSaver) -> None:
    """Write everything that is made from a sweep into ``directory``, replacing what is there.

    The saver is closed by then, whether or not the block ended well.
    """
    with replaced_together(directory) as beside, closing(saver):
        pictures = []
        for drawing in drawings(findings):
            figure = drawing.draw()
            saver.take(figure, beside, drawing.stem)
            svg = beside / f"{drawing.stem}.svg"
            pictures.append(Picture(svg, figure.get_figwidth(), drawing.title, drawing.caption))
        for name, text in _tables(findings).items():
            (beside / name).write_text(text, encoding="utf-8")
        saver.finish()
        (beside / REPORT).write_text(report(findings, pictures), encoding="utf-8")


def _tables(findings: Findings) -> dict[str, str]:
    """The tables, by the names of their files."""
    return {
        "comparison.csv": to_csv(findings.table),
        "comparison.md": to_markdown(findings.table),
        "comparison.tex": wide_latex(findings.wide, "interval"),
        "trials.csv": to_csv(trials_table(findings.record)),
        "exploratory.csv": to_csv(findings.exploratory),
        **(
            {"against_best.csv": to_csv(findings.against_best)}
            if len(findings.against_best)
            else {}
        ),
        "fairness.csv": to_csv(findings.fairness),
        "cost.csv": to_csv(findings.cost),
        **({"shortlist.csv": to_csv(findings.shortlist)} if len(findings.shortlist) else {}),
        **({"collapses.csv": to_csv(findings.collapses)} if len(findings.collapses) else {}),
        "failures.csv": to_csv(findings.failures),
        **{name: to_csv(table) for name, table in _where_there_are_some(findings) if len(table)},
    }


def _where_there_are_some(findings: Findings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Tables of what not every sweep has."""
    yield "against_best.csv", findings.against_best
    yield "shortlist.csv", findings.shortlist
    yield "collapses.csv", findings.collapses
    yield "teachers.csv", findings.teachers
    yield "oracles.csv", findings.oracles


def drawings(findings: Findings) -> Iterator[Drawing]:
    """The figures that a sweep has, in the order of the report."""
    record, table, curves = findings.record, findings.table, findings.curves
    metric = record.metric.replace("_", " ")
    edges = edges_of(record)
    if not edges or edges[0].name == NOISE:
        yield Drawing(
            f"{record.metric}_over_noise",
            f"Test {metric} over the noise rate",
            MEANS,
            lambda: metric_over_noise(table, record),
        )
    for edge in edges:
        if edge.name != NOISE:
            yield Drawing(
                f"{record.metric}_over_{edge.name}",
                f"Test {metric} over {edge.title}",
                MEANS,
                lambda edge=edge: metric_over_axis(table, record, edge),  # type: ignore[misc]
            )
    if len(edges) > 1 and pairs(record):
        yield Drawing(
            "map_of_differences",
            f"Differences over {edges[0].title.lower()} and {edges[1].title.lower()}",
            f"Method minus what it is compared with{difference_unit(record)}"
            f" ({better_text(record)}). A difference in bold in a frame is called, any other is"
            f" not{_untested(record)}.",
            lambda: map_of_differences(table, record, (edges[0], edges[1])),
        )
    if len(edges) > 1 and record.learns_weights:
        yield Drawing(
            "map_against_best",
            "Learned weights against the best row without",
            "Method minus the row without learned weights that has the best validation mean in that"
            f" condition, named below{difference_unit(record)} ({better_text(record)})."
            " Exploratory: nothing is tested here.",
            lambda: map_against_best(findings.against_best, record, (edges[0], edges[1])),
        )
    if record.epochs_of_task:
        yield Drawing(
            f"{record.objective.name}_over_tasks",
            "Over the tasks",
            f"Validation {record.objective.title} over all classes that have come, at the end of"
            " each task: the mean over the confirm seeds and their range.",
            lambda: metric_over_tasks(record, curves),
        )
    if record.measured_against:
        yield _of_two_metrics(findings)
    if pairs(record):
        yield Drawing(
            "differences",
            "Paired differences",
            "Method minus what it is compared with, seed by seed, with the mean and its 95 %"
            " interval. A filled marker is a difference that is called, a hollow one is"
            f" not{_untested(record)}.",
            lambda: paired_differences(table, record),
        )
    yield from _of_training(findings)
    yield from _of_search(findings)


def _of_two_metrics(findings: Findings) -> Drawing:
    record = findings.record
    across, up = record.measured_against
    better = ", ".join(
        f"{metric.title} {better_text(record.looking_at(metric))}" for metric in (across, up)
    )
    return Drawing(
        f"{up.name}_against_{across.name}",
        f"Test {up.title} against {across.title}",
        f"Means over seeds with 95 % intervals both ways; {better}. Grey lines cross at"
        f" {record.baselines[0]}. Exploratory: nothing is tested here.",
        lambda: metric_against_metric(record, findings.origin.spec.seed),
    )


def _of_timelines(findings: Findings) -> Drawing:
    record, found = findings.record, findings.timelines
    told = [
        "An utterance of the meta split, a column of numbers a frame;"
        f" below it how likely each says a symbol in each frame of output (confirm seed"
        f" {found[0].seed}). A marker is where a symbol is first said."
    ]
    if any(one.spans is not None for one in found):
        told.append("Bands: when a symbol is said in truth, which nobody was told.")
    if any(t.reads_targets for teachers in record.teachers.values() for t in teachers):
        told.append("An Oracle was shown what is said, and tells when.")
    return Drawing(
        "said_when", "Who says what when", " ".join(told), lambda: said_when(record, found)
    )


def _of_boxes(record: SweepRecord, found: Gallery) -> Drawing:
    told = [
        "Pictures of the test split, the first with a box"
        f" ({condition_title(found.condition, record.conditions)}, confirm seed {found.seed})."
        f" Below the true boxes those that are found with a score of {LEAST_SCORE:g} at least, at"
        f" most {MOST_SHOWN} of a picture; a box may be missed for its score alone."
    ]
    if found.best:
        told.append(
            f"{found.best} has the best validation {record.objective.title} of the rows beside"
            " the plain student and the baselines."
        )
    return Drawing(
        "found_where", "Who finds what where", " ".join(told), lambda: found_where(found)
    )


def _of_training(findings: Findings) -> Iterator[Drawing]:
    """What confirm runs say, and what they trust."""
    record, curves = findings.record, findings.curves
    if findings.timelines:
        yield _of_timelines(findings)
    if findings.gallery:
        yield _of_boxes(record, findings.gallery)
    for method in weighing_methods(record, curves):
        yield Drawing(
            f"weights_{method}",
            f"What {method} trusts",
            "Above, the mean weight of the label for clean and for corrupted examples, and that of"
            " the teacher. Below, how well the label's weight tells clean from corrupted labels:"
            " 0.5 is chance, 1 is perfect. Means over confirm seeds, bands from the lowest to the"
            " highest.",
            lambda method=method: weights_over_training(record, curves, method),  # type: ignore[misc]
        )


def _untested(record: SweepRecord) -> str:
    """What else a difference may be that is not called, where some are not tested."""
    return ", or is exploratory and not tested" if exploratory_count(record) else ""


def _of_search(findings: Findings) -> Iterator[Drawing]:
    record, curves = findings.record, findings.curves
    metric = record.objective.title
    yield Drawing(
        "learning_curves",
        "Learning curves",
        f"Validation {metric} of every search trial, with a cross where pruning cut it; in colour"
        " the configuration that was chosen, its mean over the confirm seeds and their range.",
        lambda: learning_curves(record, curves),
    )
    methods = searched_methods(record)
    if methods:
        yield Drawing(
            "best_so_far",
            "Best so far over epochs spent",
            "What a smaller search would have shown. "
            + (SEARCH_OF_EACH_SEED if record.per_seed else ONE_SEARCH),
            lambda: best_over_budget(record, findings.origin.spec.seed),
        )
    for method in methods:
        yield Drawing(
            f"slices_{method}",
            f"Search of {method}",
            f"Best validation {metric} of each trial over each hyperparameter. Crosses were pruned;"
            " the ring is the configuration that was confirmed.",
            lambda method=method: slices(record, curves, method),  # type: ignore[misc]
        )
    if len(findings.importances):
        yield Drawing(
            "importance",
            "Importance of the hyperparameters",
            "Share of the spread of the objective that each accounts for, per cell (Optuna's fANOVA"
            " over complete trials). With few trials this is a hint, no more.",
            lambda: importance(record, findings.importances),
        )

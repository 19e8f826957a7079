"""INCREMENTAL: classes that come one task after the other. Free of torch."""

from collections.abc import Mapping
from dataclasses import replace

from numpy.random import Generator

from trainers.classes.dataset import ClassDataset, usable
from trainers.classes.table import METRICS
from trainers.classification.entry import CLASSIFICATION
from trainers.data.dataset import Dataset
from trainers.data.inspection import SplitRows
from trainers.data.noise import NOISE_KINDS
from trainers.entries import MethodEntry, Metric, TaskEntry
from trainers.fields import Field
from trainers.hyperparameters import ALPHA, TEMPERATURE
from trainers.incremental.data.splits import rows_by_class, split_problem
from trainers.mixing.table import METHODS, anew
from trainers.settings import DataSpec, Labels, SplitFractions, Stream

PAPER = "arXiv 2308.09544, authors' code"
KD_FORM = Field(
    "kd_form", "choice", "global", "how the student is held to the teacher on the classes of the "
    "tasks before: among all of them, among those of each task, or class by class by a sigmoid",
    PAPER, choices=("global", "tasks", "sigmoid"),
)  # fmt: skip
RHO = Field(
    "rho", "float", 0.5, "share of the teacher's term in the loss on held-out examples that the "
    "weights lower, where held_out_loss is mixed", "own", unit="share", low=0.0, high=1.0,
)  # fmt: skip
DECLARED_ANEW = (
    replace(TEMPERATURE, default=2.0, source=PAPER),
    replace(ALPHA, default=0.5, source=f"own: 0.2 to 0.71 in {PAPER}"),
    replace(
        METHODS["alm_kd"].hyperparameter("held_out_loss"), default="mixed",
        source="own: labels alone say nothing of the teacher here",
    ),
)  # fmt: skip
# Those that read no more of a teacher than its term: it knows none of the classes of the task.
SERVING = ("alm_kd", "fixed_kd", "labels_only", "superloss", "meta_weight_net")


def _methods() -> dict[str, MethodEntry]:
    taken = anew({name: METHODS[name] for name in SERVING}, *DECLARED_ANEW)
    return {name: _with_forms(entry) for name, entry in taken.items()}


def _with_forms(entry: MethodEntry) -> MethodEntry:
    more = (KD_FORM,) if entry.uses_teacher else ()
    more = (*more, RHO) if entry.has("held_out_loss") else more
    return replace(entry, hyperparameters=(*entry.hyperparameters, *more))


def _usable(data: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    assert isinstance(data, ClassDataset)
    try:
        (spec.stream or Stream(tasks=1)).sizes(data.classes)
    except ValueError as error:
        return f"data.stream: {error}; change tasks or first"
    problem = split_problem(data.labels, spec.fractions, data.official_test, data.classes)
    return problem or usable(data, spec, labels)


NEW: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("average_incremental_accuracy", "mean over tasks s of the mean over tasks u up to s "
               "of the accuracy on the classes of u, among all seen, after s", "percent",
               "maximize"),
        Metric("forgetting", "mean over tasks but the last of how far the best accuracy on its "
               "classes, among all seen, at the end of a task before the last stands above that at "
               "the end", "percent", "minimize", "with one task"),
        Metric("known_task_accuracy", "mean over tasks of the accuracy on its classes among these "
               "alone, as if the task of an example were known", "percent", "maximize"),
    )
}  # fmt: skip


def _rows(data: Dataset, fractions: SplitFractions, rng: Generator) -> SplitRows:
    return rows_by_class(data.strata, fractions, rng, data.official_test)


INCREMENTAL = TaskEntry(
    name="incremental",
    implementation="trainers.incremental.task:Incremental",
    summary="classes that come one task after the other; the student before teaches",
    example="an image, or a row of a table",
    methods=_methods(),
    datasets={
        name: replace(entry, task="incremental") for name, entry in CLASSIFICATION.datasets.items()
    },
    # Rows of the last layer are drawn anew when a task begins, and one's own module may hide it.
    networks={name: row for name, row in CLASSIFICATION.networks.items() if name != "module"},
    # Within the classes of a task; what names classes or reads inputs knows nothing of tasks.
    noise_kinds={name: NOISE_KINDS[name] for name in ("symmetric", "uniform", "pair")},
    metrics={**METRICS, **NEW},
    every_epoch=("accuracy",),
    objective="accuracy",
    selection="last",
    teacher_outputs="nothing: the student as it was before the task is asked itself",
    prediction="logits, one for each class",
    export="parameters and buffers by name, without the dimension of lanes",
    usable=_usable,
    inspect=CLASSIFICATION.inspect,
    streams=True,
    split_rows=_rows,
)

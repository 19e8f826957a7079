"""Detection: what is where in a picture. Free of torch."""

from collections.abc import Mapping

from numpy.random import Generator

from trainers.data.dataset import Dataset
from trainers.data.group_splits import group_problem, rows_by_group
from trainers.data.inspection import SplitRows
from trainers.data.splits import split_rows
from trainers.detection.data.dataset import Pictures
from trainers.detection.data.datasets import DATASETS
from trainers.detection.data.inspection import inspect
from trainers.detection.data.noise import NOISE_KINDS
from trainers.detection.methods.table import METHODS
from trainers.detection.networks.table import NETWORKS
from trainers.entries import Metric, TaskEntry
from trainers.settings import DataSpec, Labels, SplitFractions

NO_SUCH_BOX = "where no true box is of that size"
COCO = "average precision as COCO has it, over classes and over overlaps of 0.5 to 0.95"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("map", f"mean {COCO}", "percent", "maximize", "where there is no true box"),
        Metric("map_50", "the same at an overlap of 0.5", "percent", "maximize",
               "where there is no true box"),
        Metric("map_75", "the same at an overlap of 0.75", "percent", "maximize",
               "where there is no true box"),
        Metric("map_small", "map of small boxes", "percent", "maximize", NO_SUCH_BOX),
        Metric("map_medium", "map of boxes of medium size", "percent", "maximize", NO_SUCH_BOX),
        Metric("map_large", "map of large boxes", "percent", "maximize", NO_SUCH_BOX),
        Metric("recall_100", "share of true boxes that are found among the best 100 of a picture, "
               "over the same classes and overlaps", "percent", "maximize",
               "where there is no true box"),
        Metric("loss", "mean over pictures of what labels lose", "", "minimize"),
    )
}  # fmt: skip


def _usable(data: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    assert isinstance(data, Pictures)
    if labels.noise_rate and labels.noise_kind == "flip" and data.classes < 2:
        return "flip: there is one class alone; take another noise_kind"
    return group_problem(data, spec.fractions)


def _rows(data: Dataset, fractions: SplitFractions, rng: Generator) -> SplitRows:
    assert isinstance(data, Pictures)
    if data.groups is None:
        return split_rows(data.strata, fractions, rng, data.official_test, data.given_splits)
    return rows_by_group(data, fractions, rng)


DETECTION = TaskEntry(
    name="detection",
    implementation="trainers.detection.task:Detection",
    summary="what is where in each picture",
    example="a picture with its boxes",
    methods=METHODS,
    datasets=DATASETS,
    networks=NETWORKS,
    noise_kinds=NOISE_KINDS,
    metrics=METRICS,
    every_epoch=("map",),
    objective="map",
    optimizer="adamw",
    teacher_outputs="outputs and features of every place of the pictures that students train on or "
    "hold out, and of a few of the test split that are shown",
    kept_of=("train", "meta"),
    predicted_numbers=lambda shape: 1,
    prediction="the boxes that are found, as JSON: class, score, left, top, right, bottom",
    export="parameters and buffers by name, without the dimension of lanes",
    usable=_usable,
    inspect=inspect,
    takes_splits=True,
    teachers_go_along=True,
    example_tables="boxes",
    split_rows=_rows,
)

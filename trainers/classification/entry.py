"""CLASSIFICATION: one class for each example. Free of torch."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.classification.data.datasets import DATASETS, usable
from trainers.classification.data.inspection import inspect
from trainers.classification.methods.table import METHODS
from trainers.classification.networks.table import NETWORKS
from trainers.data.noise import NOISE_KINDS
from trainers.entries import Metric, TaskEntry
from trainers.mixing.table import META_STEP, mixing_methods

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "share of examples whose largest logit is the label's; of equal the "
               "first counts", "percent", "maximize"),
        Metric("loss", "mean negative log-likelihood of the labels", "nats", "minimize"),
        Metric("balanced_accuracy", "mean over the classes that have examples of the share of them "
               "guessed right", "percent", "maximize"),
        Metric("macro_f1", "mean over classes of F1; those that neither have examples nor are "
               "guessed do not count", "percent", "maximize"),
        Metric("calibration_error", "expected calibration error: examples sorted by probability "
               "of their guess, cut into 15 bins of equal mass; the mean over examples of the "
               "distance of their bin's accuracy to its mean probability", "percent", "minimize"),
        Metric("brier_score", "mean squared distance of the probabilities to the one-hot label, "
               "summed over classes: 0 to 2", "", "minimize"),
        Metric("top_5_accuracy", "share of examples whose class is among the five largest logits",
               "percent", "maximize", "with ten classes or fewer"),
    )
}  # fmt: skip

CLASSIFICATION = TaskEntry(
    name="classification",
    implementation="trainers.classification.task:Classification",
    summary="one class for each example: images, tables",
    example="an image, or a row of a table",
    # The published step, until the normalised one has been tried on more data.
    methods={**mixing_methods(replace(META_STEP, default="raw")), **METHODS},
    datasets=DATASETS,
    networks=NETWORKS,
    noise_kinds=NOISE_KINDS,
    metrics=METRICS,
    every_epoch=("accuracy",),
    objective="accuracy",
    teacher_outputs="logits, one for each class, of every example",
    outputs_from_files=True,
    prediction="logits, one for each class",
    export="parameters and buffers by name, without the dimension of lanes",
    usable=usable,
    inspect=inspect,
    takes_splits=True,
)

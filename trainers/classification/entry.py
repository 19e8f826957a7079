"""CLASSIFICATION: one class for each example. Free of torch."""

from dataclasses import replace

from trainers.classes.dataset import usable
from trainers.classes.table import METRICS
from trainers.classification.data.datasets import DATASETS
from trainers.classification.data.inspection import inspect
from trainers.classification.data.light_sets import TEACHER_SOURCES
from trainers.classification.methods.table import METHODS
from trainers.classification.networks.table import NETWORKS
from trainers.data.noise import NOISE_KINDS
from trainers.entries import TaskEntry
from trainers.mixing.table import META_STEP, mixing_methods

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
    teacher_sources=TEACHER_SOURCES,
    takes_calls=True,
)

"""TEXT: one class for each text. Free of torch."""

from dataclasses import replace

from trainers.classes.dataset import usable
from trainers.classes.table import METRICS
from trainers.data.noise import NOISE_KINDS
from trainers.entries import TaskEntry
from trainers.hyperparameters import LR, TEMPERATURE, WEIGHT_DECAY
from trainers.mixing.table import anew, mixing_methods
from trainers.text.data.datasets import DATASETS
from trainers.text.data.inspection import inspect
from trainers.text.data.pretrained import MODELS
from trainers.text.methods.table import METHODS
from trainers.text.networks.table import NETWORKS

# Of small encoders from scratch, by AdamW.
DECLARED_ANEW = (
    replace(LR, default=3e-3, source="own, small encoders from scratch"),
    replace(WEIGHT_DECAY, default=0.01, source="BERT's authors' code"),
    replace(TEMPERATURE, default=2.0, source="own"),
)

TEXT = TaskEntry(
    name="text",
    implementation="trainers.text.task:Text",
    summary="one class for each text: sentences, posts, news",
    example="a text",
    methods={**mixing_methods(*DECLARED_ANEW), **anew(METHODS, *DECLARED_ANEW)},
    datasets=DATASETS,
    networks=NETWORKS,
    # What depends on the input reads numbers of tokens for sizes.
    noise_kinds={name: kind for name, kind in NOISE_KINDS.items() if name != "instance"},
    metrics=METRICS,
    every_epoch=("accuracy",),
    objective="accuracy",
    optimizer="adamw",
    teacher_outputs="logits, one for each class, of every text",
    outputs_from_files=True,
    prediction="logits, one for each class",
    export="parameters and buffers by name, without the dimension of lanes",
    usable=usable,
    inspect=inspect,
    takes_splits=True,
    takes_calls=True,
    models=MODELS,
)

"""Texts in small."""

from collections.abc import Mapping, Sequence

import numpy as np

from tests.contracts.specimens.classes import check_classes
from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, Trial
from tests.trainers.text.cases import LENGTH, SMALL, make_cohort
from tests.trainers.text.files import options_for
from trainers.data.dataset import Dataset
from trainers.fields import Value
from trainers.loading import counts, input_shape
from trainers.loop.cohort import Cohort
from trainers.settings import DataSpec
from trainers.text.entry import TEXT

# As elsewhere, but for steps of the weights, which are normalised here, and held-out batches of one
# size in `bikd`, since each other size takes a network's time.
OWN_LIVELY: Mapping[str, Sequence[Mapping[str, Value]]] = {
    **{name: values for name, values in LIVELY.items() if name in TEXT.methods},
    "alm_kd": (
        {"variant": "box", "warmup_epochs": 1, "update_every": 1},
        {"variant": "convex", "warmup_epochs": 0, "update_every": 2, "meta_lr": 0.3},
        {"variant": "max", "warmup_epochs": 1, "update_every": 1, "start": "uniform"},
    ),
    "bikd": (
        {"net_lr": 0.03, "held_out_batches": 1},
        {"net_lr": 0.01, "held_out_batches": 2, "temperature": 2.0, "net_lr_decay": 0.5},
    ),
    "mixkd": (
        {"bank": 2},
        {"bank": 0, "mask": "union"},
        {"target": "interpolate", "distance": "mse", "kd_weight": 0.5},
    ),
}


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    return make_cohort(method, trials, epochs=epochs)


def _check(spec: DataSpec, dataset: Dataset) -> None:
    texts = check_classes(spec, dataset, np.int32)
    assert texts.shape == input_shape(spec) == (LENGTH,)
    assert counts(spec) in (None, (len(texts), texts.classes))


SPECIMEN = Specimen(
    task=TEXT,
    cohort=_cohort,
    lively=OWN_LIVELY,
    rates=(0.002, 0.004, 0.006),
    tallied=("accuracy",),
    # Of three classes the five likeliest say nothing.
    undefined=("top_5_accuracy",),
    model=SMALL,
    options=options_for,
    check=_check,
)

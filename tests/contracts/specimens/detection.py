"""Pictures with boxes, in small."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, Trial
from tests.trainers.detection.cases import SMALL, make_cohort
from tests.trainers.detection.files import options_for
from trainers.data.dataset import Dataset
from trainers.data.tokenizer import PADDING
from trainers.detection.data.dataset import CLASS, COLUMNS, Pictures, is_there
from trainers.detection.entry import DETECTION
from trainers.fields import Value
from trainers.loading import input_shape
from trainers.loop.cohort import Cohort
from trainers.settings import DataSpec, Option

OWN_LIVELY: Mapping[str, Sequence[Mapping[str, Value]]] = {
    **{name: values for name, values in LIVELY.items() if name in DETECTION.methods},
    # The weights' steps are normalised here.
    "alm_kd": (
        {"variant": "box", "warmup_epochs": 1, "update_every": 1},
        {"variant": "convex", "warmup_epochs": 0, "update_every": 2, "hypergradient": "full"},
        {"variant": "max", "warmup_epochs": 1, "update_every": 1, "start": "uniform"},
    ),
    "bikd": (
        {"net_lr": 0.03, "held_out_batches": 1, "terms": "all"},
        {"net_lr": 0.01, "held_out_batches": 2, "terms": "all"},
    ),
    "fixed_kd": (
        {"alpha": 0.5, "terms": "all"},
        {"alpha": 1.0, "temperature": 2.0, "terms": "all"},
        {"alpha": 0.1, "terms": "all", "feature_weight": 1.0},
    ),
    "fgd": ({"feature_weight": 1.0}, {"background_share": 2.0, "attention_temperature": 2.0}),
    "feature_kd": ({"feature_weight": 1.0}, {}),
    "ikd": (
        {"noise_prob": 1.0, "ikd_until": 1.0, "attack_steps": 2},
        {"twin_weight": 0.0},
        {"crop_min": 0.5, "attack_steps": 1},
    ),
}


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    return make_cohort(method, trials, epochs=epochs)


def _options(name: str, folder: Path) -> Mapping[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``."""
    return options_for(name, folder)


def _check(spec: DataSpec, dataset: Dataset) -> None:
    assert isinstance(dataset, Pictures)
    assert dataset.images.dtype == np.uint8
    assert dataset.boxes.dtype == np.float32
    assert dataset.boxes.shape == (len(dataset), dataset.boxes.shape[1], COLUMNS)
    assert len(dataset.images) == len(dataset.scales) == len(dataset.fitted) == len(dataset)
    assert input_shape(spec) in (None, dataset.shape)
    # Padding comes last and is nothing else; a picture is not larger than what is shown.
    there = is_there(dataset.boxes)
    assert (np.diff(there.astype(int), axis=1) <= 0).all()
    assert not np.delete(dataset.boxes[~there], CLASS, axis=1).any()
    assert (dataset.boxes[..., CLASS][~there] == PADDING).all()
    assert (dataset.fitted <= dataset.shape[1:]).all()
    assert (dataset.scales > 0).all()


SPECIMEN = Specimen(
    task=DETECTION,
    cohort=_cohort,
    lively=OWN_LIVELY,
    rates=(0.01, 0.03, 0.02),
    tallied=(),
    undefined=(),
    model=SMALL,
    options=_options,
    check=_check,
)

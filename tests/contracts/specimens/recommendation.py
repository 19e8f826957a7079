"""Users and items, in small."""

from collections.abc import Mapping, Sequence

import numpy as np

from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, Trial
from tests.trainers.recommendation.cases import SMALL, make_cohort
from tests.trainers.recommendation.files import options_for
from trainers.data.dataset import Dataset
from trainers.fields import Value
from trainers.loading import input_shape
from trainers.loop.cohort import Cohort
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.entry import RECOMMENDATION
from trainers.settings import DataSpec

OWN_LIVELY: Mapping[str, Sequence[Mapping[str, Value]]] = {
    **{name: values for name, values in LIVELY.items() if name in RECOMMENDATION.methods},
    # There is no last layer, and what is learned is normalised here.
    "alm_kd": (
        {"variant": "box", "warmup_epochs": 1, "update_every": 1},
        {"variant": "convex", "warmup_epochs": 0, "update_every": 2, "meta_lr": 0.3},
        {"variant": "max", "warmup_epochs": 1, "update_every": 1, "start": "uniform"},
    ),
    "rd": (
        {"users": 5, "top": 4},
        {"users": 7, "top": 30, "dynamic_from": 1, "position_scale": 5.0},
        {"users": 5, "top": 4, "dynamic_from": 2, "kd_weight": 2.0},
    ),
    "rrd": (
        {"users": 5, "top": 3, "others": 4},
        {"users": 7, "top": 40, "others": 2, "kd_weight": 1.0},
        {"users": 5, "top": 3, "others": 5},
    ),
    "unkd": (
        {"users": 5, "groups": 1, "pairs": 4},
        {"users": 5, "groups": 4, "pairs": 4, "rank_scale": 3.0},
        {"users": 7, "groups": 2, "pairs": 6, "kd_weight": 2.0},
    ),
}


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    return make_cohort(method, trials, epochs=epochs)


def _check(spec: DataSpec, dataset: Dataset) -> None:
    assert isinstance(dataset, Interactions)
    assert dataset.users.dtype == dataset.items.dtype == np.int64
    assert len(dataset.users) == len(dataset.items) == len(dataset)
    assert input_shape(spec) in (None, (len(dataset.user_ids), len(dataset.item_ids)))
    # No pair is there twice, and of the whole every user and item is in some.
    keys = dataset.users * len(dataset.item_ids) + dataset.items
    assert len(np.unique(keys)) == len(keys)
    if "examples" not in spec.options:
        assert np.array_equal(np.unique(dataset.users), np.arange(len(dataset.user_ids)))
        assert np.array_equal(np.unique(dataset.items), np.arange(len(dataset.item_ids)))
    if dataset.times is not None:
        assert dataset.times.dtype == np.int64
        assert len(dataset.times) == len(dataset)


SPECIMEN = Specimen(
    task=RECOMMENDATION,
    cohort=_cohort,
    lively=OWN_LIVELY,
    rates=(0.01, 0.03, 0.02),
    tallied=(),
    undefined=(),
    model=SMALL,
    options=options_for,
    check=_check,
)

"""Classification in small."""

from collections.abc import Sequence

import numpy as np

from tests.contracts.specimens.classes import check_classes
from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, RATES, Shape, Trial, make_cohort
from tests.trainers.specimens import TABLES, options_for
from trainers.classification.entry import CLASSIFICATION
from trainers.data.dataset import Dataset
from trainers.loading import input_shape
from trainers.loop.cohort import Cohort
from trainers.settings import DataSpec, ModelSpec


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    return make_cohort(method, trials, Shape(epochs))


def check_arrays(spec: DataSpec, dataset: Dataset) -> None:
    """A data set of classification."""
    name = spec.dataset
    inputs = check_classes(spec, dataset, np.float32).inputs
    # What can be augmented is images; an own array may be either.
    images = any(field.name == "augment" for field in CLASSIFICATION.datasets[name].treatment)
    assert inputs.ndim in ((2, 4) if name == "npz" else (4 if images else 2,))
    assert (input_shape(spec) is None) == (name in {"npz", *TABLES})


SPECIMEN = Specimen(
    task=CLASSIFICATION,
    cohort=_cohort,
    lively=LIVELY,
    rates=RATES,
    tallied=("accuracy",),
    # Of five classes the five likeliest say nothing.
    undefined=("top_5_accuracy",),
    model=ModelSpec("mlp", {"hidden": (4,)}),
    options=options_for,
    check=check_arrays,
)

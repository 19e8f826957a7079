"""Every row of the table of data sets that can be loaded here, through one suite."""

from pathlib import Path

import numpy as np
import pytest

from sweep.spec.data import Data
from tests.trainers.cases import CPU
from tests.trainers.specimens import FRACTIONS, OFFICIAL, options_for, spec_of
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.datasets import DATASETS, input_shape, load_dataset, missing
from trainers.classification.data.lanes import LaneData
from trainers.loop.cohort import Cohort
from trainers.settings import (
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Option,
    Selection,
    Training,
)

EVERY = pytest.mark.parametrize("name", DATASETS)


def _spec(name: str, folder: Path, **more: Option) -> DataSpec:
    """Skips where the files cannot be made up."""
    spec = spec_of(name, {**options_for(name, folder), **more})
    if reason := missing(spec):
        pytest.skip(reason)
    return spec


@EVERY
def test_row_says_what_it_is(name: str) -> None:
    assert DATASETS[name].summary
    assert DATASETS[name].source


@EVERY
def test_row_is_what_it_says(name: str, tmp_path: Path) -> None:
    spec = _spec(name, tmp_path)
    dataset = load_dataset(spec)
    assert dataset.inputs.dtype == np.float32
    assert dataset.labels.dtype == np.int64
    assert len(dataset.inputs) == len(dataset.labels)
    assert sorted(set(dataset.labels)) == list(range(dataset.classes))
    assert np.isfinite(dataset.inputs).all()
    assert 0 <= dataset.official_test < len(dataset.labels)
    assert not dataset.official_test or DATASETS[name].official_test
    assert dataset.inputs.ndim in (
        (2, 4) if name == "npz" else (4 if DATASETS[name].images else 2,)
    )
    told = input_shape(spec)
    assert told == (None if name in {"npz", "parquet"} else dataset.inputs.shape[1:])


@EVERY
def test_row_loads_the_same_every_time(name: str, tmp_path: Path) -> None:
    spec = _spec(name, tmp_path, examples=40)
    first, again = load_dataset(spec), load_dataset(spec)
    assert len(first.labels) == 40
    assert np.array_equal(first.inputs, again.inputs)
    assert np.array_equal(first.labels, again.labels)


@EVERY
def test_row_names_its_missing_files(name: str, tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    for option in ("folder", "path"):
        if option in DATASETS[name].takes:
            assert absent in str(missing(spec_of(name, {option: absent})))


@EVERY
def test_spec_has_a_field_for_every_option(name: str) -> None:
    entry = DATASETS[name]
    assert set(entry.takes) <= set(Data.model_fields)
    assert not set(entry.needs) & set(entry.options)


def test_every_option_of_a_spec_is_one_of_some_data_set() -> None:
    fields = set(Data.model_fields) - {"dataset", "splits", "augment"}
    assert fields == {option for entry in DATASETS.values() for option in entry.takes}


@EVERY
def test_student_trains_on_it(name: str, tmp_path: Path) -> None:
    dataset = load_dataset(_spec(name, tmp_path, examples=50))
    results = _cohort(dataset).train(lambda *_: [True])
    assert results["lane"].epochs == 1


def _cohort(dataset: Dataset) -> Cohort:
    fractions = OFFICIAL if dataset.official_test else FRACTIONS
    sources = [LaneSource(1, Labels("symmetric", 0.4))]
    spec = CohortSpec(
        "cross_entropy",
        ModelSpec("mlp", (4,)),
        Training(epochs=1, batch_size=8, momentum=0.9, nesterov=True, schedule="cosine"),
        Selection("accuracy", maximize=True),
    )
    data = LaneData(dataset, fractions, sources, {}, CPU)
    return Cohort(spec, [Lane("lane", 1, {"lr": 0.01})], data)

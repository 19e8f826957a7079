"""Every row of the table of data sets that can be loaded here, through one suite."""

from pathlib import Path

import numpy as np
import pytest

from sweep.errors import BadInput
from sweep.spec.data import Data
from tests.sweep.specs import small_spec
from tests.trainers.cases import CPU
from tests.trainers.specimens import FRACTIONS, OFFICIAL, TABLES, options_for, spec_of
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.datasets import DATASETS
from trainers.classification.data.lanes import LaneData
from trainers.fields import Field
from trainers.loading import counts, input_shape, load_dataset, missing, options_of
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


def _some(field: Field) -> Option:
    """A legal value of an option, another than the default where there are words to choose."""
    if field.example is None and field.default is None:
        return int(max(field.low, 1))
    value: Option = field.default if field.example is None else field.example
    return field.choices[-1] if field.choices else value


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
    # What can be augmented is images; an own array may be either.
    images = any(field.name == "augment" for field in DATASETS[name].treatment)
    assert dataset.inputs.ndim in ((2, 4) if name == "npz" else (4 if images else 2,))
    told = input_shape(spec)
    assert told == (None if name in {"npz", *TABLES} else dataset.shape)
    known = counts(spec)
    assert known is None or known[1] == dataset.classes


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
    for field in options_of(DATASETS[name]):
        if field.kind == "path":
            assert absent in str(missing(spec_of(name, {field.name: absent})))


@EVERY
def test_every_option_can_be_given_in_a_spec_and_is_legal_by_default(name: str) -> None:
    fields = options_of(DATASETS[name])
    assert len({field.name for field in fields}) == len(fields)
    assert not {field.name for field in fields} & set(Data.model_fields)
    given = {field.name: _some(field) for field in fields}
    kept = {field.name: field.converted(given[field.name]) for field in fields}
    assert small_spec({"data": {"dataset": name, **given}}).data.given == kept
    for field in fields:
        assert not (field.required and field.default is not None)
        assert field.default is None or field.problem(field.default) is None


@EVERY
def test_a_spec_takes_no_option_of_another_data_set(name: str) -> None:
    own = {field.name for field in options_of(DATASETS[name])}
    needed = {field.name: _some(field) for field in options_of(DATASETS[name]) if field.required}
    for other in DATASETS.values():
        for field in options_of(other):
            if field.name not in own:
                data = {"dataset": name, **needed, field.name: _some(field)}
                with pytest.raises(BadInput, match=f"data.{field.name}: {name} does not take"):
                    small_spec({"data": data})


@EVERY
def test_student_trains_on_it(name: str, tmp_path: Path) -> None:
    dataset = load_dataset(_spec(name, tmp_path, examples=50))
    results = _cohort(dataset).train(lambda *_: [True])
    assert results["lane"].epochs == 1


def _cohort(dataset: Dataset) -> Cohort:
    fractions = OFFICIAL if dataset.official_test else FRACTIONS
    sources = [LaneSource(1, Labels("symmetric", 0.4))]
    spec = CohortSpec(
        "labels_only",
        ModelSpec("mlp", {"hidden": (4,)}),
        Training(epochs=1, batch_size=8, momentum=0.9, nesterov=True, schedule="cosine"),
        Selection("accuracy", maximize=True),
    )
    data = LaneData(dataset, fractions, sources, {}, CPU)
    return Cohort(spec, [Lane("lane", 1, {"lr": 0.01})], data)

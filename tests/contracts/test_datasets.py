"""Every data set of every task that can be loaded here, through one suite."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweep.errors import BadInput
from sweep.spec.data import Data
from sweep.spec.reader import check_spec
from tests.contracts.specimens.specs import needed, some, spec_data
from tests.contracts.specimens.table import EVERY_DATASET, specimen_of
from tests.trainers.cases import CPU
from tests.trainers.specimens import FRACTIONS, OFFICIAL, spec_of
from trainers.data.dataset import Dataset
from trainers.data.fingerprint import fingerprint
from trainers.loading import input_shape, load_dataset, missing, options_of, unusable
from trainers.loop.cohort import Cohort
from trainers.registry import TASKS
from trainers.settings import (
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    Option,
    Selection,
    Training,
)


def _spec(task: str, name: str, folder: Path, **usual: Option) -> DataSpec:
    """With these options where the data set is told no others. Skips where its files cannot be
    made up."""
    spec = spec_of(name, {**usual, **specimen_of(task).options(name, folder)}, task=task)
    if reason := missing(spec):
        pytest.skip(reason)
    return spec


@EVERY_DATASET
def test_row_says_what_it_is(task: str, name: str) -> None:
    row = TASKS[task].datasets[name]
    assert row.summary
    assert row.source
    assert row.task == task


@EVERY_DATASET
def test_row_is_what_it_says(task: str, name: str, tmp_path: Path) -> None:
    spec = _spec(task, name, tmp_path)
    dataset = load_dataset(spec)
    assert len(dataset.strata) == len(dataset)
    assert dataset.strata.dtype == np.int64
    assert 0 <= dataset.official_test < len(dataset)
    assert not dataset.official_test or TASKS[task].datasets[name].official_test
    assert input_shape(spec) in (None, dataset.shape)
    specimen_of(task).check(spec, dataset)


@EVERY_DATASET
def test_row_loads_the_same_every_time(task: str, name: str, tmp_path: Path) -> None:
    spec = _spec(task, name, tmp_path, examples=40)
    first, again = load_dataset(spec), load_dataset(spec)
    assert len(first) == spec.options["examples"]
    assert fingerprint(first) == fingerprint(again)


@EVERY_DATASET
def test_row_names_its_missing_files(task: str, name: str, tmp_path: Path) -> None:
    there, absent = specimen_of(task).options(name, tmp_path), str(tmp_path / "absent")
    for field in options_of(TASKS[task].datasets[name]):
        if field.kind == "path":
            spec = spec_of(name, {**there, field.name: absent}, task=task)
            assert absent in str(missing(spec))


@EVERY_DATASET
def test_every_option_can_be_given_in_a_spec_and_is_legal_by_default(task: str, name: str) -> None:
    fields = options_of(TASKS[task].datasets[name])
    assert len({field.name for field in fields}) == len(fields)
    assert not {field.name for field in fields} & set(Data.model_fields)
    given = {field.name: some(field) for field in fields}
    kept = {field.name: field.converted(given[field.name]) for field in fields}
    assert check_spec(spec_data(task, {"dataset": name, **given}), "small").data.given == kept
    for field in fields:
        assert not (field.required and field.default is not None)
        assert field.default is None or field.problem(field.default) is None


@EVERY_DATASET
def test_a_spec_takes_no_option_of_another_data_set(task: str, name: str) -> None:
    rows = TASKS[task].datasets
    own = {field.name for field in options_of(rows[name])}
    others = {field.name: field for row in rows.values() for field in options_of(row)}
    for option in others.keys() - own:
        data = {**needed(task, name), option: some(others[option])}
        with pytest.raises(BadInput, match=rf"data\.{option}: .*{name} does not take"):
            check_spec(spec_data(task, data), "small")


@EVERY_DATASET
def test_student_trains_on_it(task: str, name: str, tmp_path: Path) -> None:
    spec = _spec(task, name, tmp_path, examples=50)
    if unusable(load_dataset(spec), spec, _noise(task)):
        # A part leaves too few of a class.
        spec = _spec(task, name, tmp_path)
    results = _cohort(load_dataset(spec), spec).train(lambda *_: [True])
    assert results["lane"].epochs == 1
    assert all(math.isfinite(value) for value in results["lane"].best.values())


def _noise(task: str) -> Labels:
    return Labels(next(iter(TASKS[task].noise_kinds)), 0.4)


def _cohort(dataset: Dataset, spec: DataSpec) -> Cohort:
    """One lane of the plainest method, by the task's own code."""
    task, specimen = TASKS[spec.task], specimen_of(spec.task)
    metric = task.metrics[task.objective]
    cohort = CohortSpec(
        "labels_only",
        specimen.model,
        Training(epochs=1, batch_size=8, optimizer=task.optimizer),
        Selection(metric.name, metric.direction == "maximize", task.selection),
        task.name,
    )
    split = replace(spec, fractions=OFFICIAL if dataset.official_test else FRACTIONS)
    sources = [LaneSource(1, _noise(task.name))]
    data = task.load().data(dataset, split, sources, {}, CPU)
    return Cohort(cohort, [Lane("lane", 1, {"lr": specimen.rates[0]})], data)

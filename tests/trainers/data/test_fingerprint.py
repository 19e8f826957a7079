"""Fingerprints: equal for what holds the same, other for whatever training would see."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trainers.specimens import options_for, spec_of
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.datasets import DATASETS
from trainers.classification.data.npz import npz
from trainers.data import dataset
from trainers.data.fingerprint import fingerprint
from trainers.loading import load_dataset, may_change

X = np.arange(12, dtype=np.float32).reshape(4, 3)
Y = np.array([0, 1, 0, 1])
PLAIN = Dataset(X, Y, 2)


def test_it_does_not_depend_on_how_arrays_lie_in_memory() -> None:
    there = Dataset(np.asfortranarray(X), np.repeat(Y, 2)[::2], 2)
    assert fingerprint(there) == fingerprint(PLAIN)
    # Pinned, as sweeps keep it: what is another number here refuses every one of them.
    assert fingerprint(PLAIN) == "e6c1728e6d25dd20b316dbd1d816425c"


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAIN, inputs=X + np.eye(4, 3, dtype=np.float32)),
        replace(PLAIN, inputs=X.reshape(4, 1, 3)),
        replace(PLAIN, inputs=X.astype(np.float64)),
        replace(PLAIN, inputs=X.view(np.int32)),
        replace(PLAIN, labels=Y[::-1]),
        replace(PLAIN, classes=3),
        replace(PLAIN, official_test=1),
        replace(PLAIN, file_labels=Y),
        PLAIN.take(np.array([0, 1, 3, 2]), 0),
    ],
)
def test_whatever_training_sees_is_in_it(other: Dataset) -> None:
    assert fingerprint(other) != fingerprint(PLAIN)


def test_what_is_told_of_it_is_not() -> None:
    info = dataset.DatasetInfo(("a remark",), ("no", "yes"), ("a", "b", "c"))
    assert fingerprint(replace(PLAIN, info=info)) == fingerprint(PLAIN)
    loose, told = Loose(X), Loose(X)
    told.info = info
    assert fingerprint(told) == fingerprint(loose)


class Loose(dataset.Dataset):
    """A data set of a task of the user's, with attributes of any kind."""

    official_test = 0

    def __init__(self, *parts: Any) -> None:
        self.parts = parts
        self.lock = object()

    def __len__(self) -> int:
        return 1

    @property
    def strata(self) -> np.ndarray:
        return np.zeros(1, np.int64)

    @property
    def shape(self) -> tuple[int, ...]:
        return (1,)

    def take(self, rows: np.ndarray, official_test: int) -> "Loose":
        return self


@dataclass
class Inner:
    """A part of a data set."""

    words: list[str]


def _ragged(last: int) -> np.ndarray:
    array = np.empty(2, dtype=object)
    array[:] = [np.arange(2), np.arange(last)]
    return array


@pytest.mark.parametrize(
    "make",
    [
        lambda n: ["a", "b"][n],
        lambda n: [1, 1.0][n],
        lambda n: [True, 1][n],
        lambda n: [[["a"], "b"], ["a", ["b"]]][n],
        lambda n: [["ab", "c"], ["a", "bc"]][n],
        lambda n: {"x": n},
        lambda n: {f"x{n}": 0},
        lambda n: Inner(["cat", "dog"][n:]),
        lambda n: torch.arange(3 + n),
        lambda n: np.array(["cat", "dog"])[n:],
        lambda n: _ragged(3 + n),
        lambda n: np.zeros((0, 3 + n)),
        lambda n: np.float64(n),
    ],
)
def test_parts_of_any_task_are_told_apart(make: Callable[[int], Any]) -> None:
    assert fingerprint(Loose(make(0))) == fingerprint(Loose(make(0)))
    assert fingerprint(Loose(make(0))) != fingerprint(Loose(make(1)))


def test_mappings_count_whatever_their_order() -> None:
    assert fingerprint(Loose({"a": 1, "b": 2})) == fingerprint(Loose({"b": 2, "a": 1}))


def test_a_file_that_was_packed_anew_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    np.savez(file, inputs=X, labels=Y)
    first, packed = fingerprint(npz(str(file))), file.read_bytes()
    np.savez_compressed(file, inputs=X, labels=Y)
    os.utime(file, (1, 1))
    assert file.read_bytes() != packed
    assert fingerprint(npz(str(file))) == first
    np.savez(file, inputs=X, labels=1 - Y)
    assert fingerprint(npz(str(file))) != first


@pytest.mark.parametrize("name", DATASETS)
def test_data_sets_that_are_read_from_unchecked_files_may_change(name: str, tmp_path: Path) -> None:
    made_up = {"digits", "synthetic_gmm", "spiral", "blobs"}
    with_published_md5 = {"cifar10", "cifar100"}
    spec = spec_of(name, options_for(name, tmp_path))
    assert may_change(spec) == (name not in made_up | with_published_md5)
    if name in made_up:
        assert fingerprint(load_dataset(spec)) == fingerprint(load_dataset(spec))


def test_a_noise_file_may_change(tmp_path: Path) -> None:
    spec = spec_of("digits", {})
    noise = replace(spec.noise, options={**spec.noise.options, "noise_file": str(tmp_path / "n")})
    assert may_change(replace(spec, noise=noise))

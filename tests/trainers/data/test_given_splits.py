"""Splits of the user's own: what a file names, under every seed; else one sentence."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.trainers.specimens import spec_of
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData
from trainers.data.errors import DataError
from trainers.data.fingerprint import fingerprint
from trainers.data.given_splits import read_given
from trainers.loading import content_key, load_dataset, may_change, missing
from trainers.settings import SPLITS, DataSpec, Labels, LaneSource, SplitFractions, SplitSource

# Ten examples: 4 and 9 are left out.
NAMES = ["train", "test", "meta", "train", "none", "validation", "train", "meta", "test", ""]
ROWS = {"train": [0, 3, 6], "meta": [2, 7], "validation": [5], "test": [1, 8]}


def _own(file: object = "", clean: float | None = None, **options: Any) -> DataSpec:
    source = SplitSource(column="split") if not file else SplitSource(str(file))
    dataset = "csv" if options else "digits"
    return spec_of(dataset, options, SplitFractions(0.0, 0.0, 0.0, 0.0, clean, source))


def _saved(folder: Path, kind: str, names: list[str]) -> Path:
    file = folder / f"splits.{kind}"
    frame = pd.DataFrame({"id": range(len(names)), "split": names})
    if kind == "csv":
        frame.to_csv(file, index=False)
    elif kind == "parquet":
        frame.replace({"": None}).to_parquet(file)
    elif kind == "npy":
        np.save(file, np.array(names))
    else:
        found = {s: np.flatnonzero(np.array(names) == s) for s in SPLITS}
        np.savez(file, **found)
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet", "npy", "npz"])
def test_every_kind_of_file_says_the_same(tmp_path: Path, kind: str) -> None:
    found = read_given(str(_saved(tmp_path, kind, NAMES)), 10)
    assert {split: rows.tolist() for split, rows in found.items()} == ROWS


def test_a_text_of_one_column_may_call_it_anything(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("fold\n" + "\n".join(name or "none" for name in NAMES) + "\n")
    assert read_given(str(file), 10)["train"].tolist() == ROWS["train"]


def _names(change: Mapping[int, str]) -> Callable[[Path], Path]:
    return lambda folder: _saved(folder, "csv", [change.get(i, n) for i, n in enumerate(NAMES)])


def _arrays(**change: Any) -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        arrays = {s: np.array(rows) for s, rows in {**ROWS, **change}.items() if rows is not None}
        np.savez(folder / "s.npz", **arrays)
        return folder / "s.npz"

    return save


def _other(name: str, text: str = "x") -> Callable[[Path], Path]:
    def save(folder: Path) -> Path:
        (folder / name).write_text(text)
        return folder / name

    return save


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (_names({3: "val"}), r"'val', of example 3 .* is no split; did you mean 'validation'\?"),
        (_names({3: "Train"}), r"'Train', of example 3 .* did you mean 'train'\?"),
        (_names({3: "0"}), r"'0', of example 3 .*; write train, meta, validation, test, or none"),
        (_names({5: "none"}), r"no example is in validation; every split needs some"),
        (lambda f: _saved(f, "csv", NAMES[:9]), r"names the split of 9 examples, and .* has 10;"),
        (_arrays(test=[1, 8, 0]), r"example 0 is in test and in train; keep it once"),
        (_arrays(test=[1, 8, 8]), r"example 8 is in test twice; keep it once"),
        (_arrays(test=[10]), r"test has the example 10; there are 10, counted from 0"),
        (_arrays(test=[-1]), r"test has the example -1; there are 10"),
        (_arrays(test=[0.5]), r"test is float64 .*one row of whole numbers"),
        (_arrays(test=[True] * 10), r"test is bool .*numpy.flatnonzero makes numbers of it"),
        (_arrays(meta=None), r"holds train, validation, test; it needs the arrays train, meta"),
        (_arrays(meta=[]), r"no example is in meta"),
        (_other("s.txt"), r"data.splits.file: .*s.txt is none of .csv, .npy, .npz, .parquet"),
        (_other("s.csv", "a,b\n1,2\n"), r"has no column 'split' but a, b"),
        (_other("s.npy"), r"cannot be read as arrays of numpy"),
    ],
)
def test_what_names_no_splits_is_refused_in_a_sentence(
    tmp_path: Path, save: Callable[[Path], Path], said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_given(str(save(tmp_path)), 10)
    assert "\n" not in str(caught.value)


def _digits(folder: Path, **arrays: Any) -> DataSpec:
    order = np.random.default_rng(0).permutation(1797)
    parts = dict(zip(SPLITS, np.split(order[:900], [500, 600, 700]), strict=True))
    np.savez(folder / "digits.npz", **{**parts, **arrays})
    return _own(folder / "digits.npz")


def test_all_seeds_have_the_same_rows_and_noise_of_their_own(tmp_path: Path) -> None:
    spec = _digits(tmp_path)
    dataset = load_dataset(spec)
    assert isinstance(dataset, Dataset)
    assert dataset.given_splits is not None
    labels = Labels("symmetric", 0.4)
    sources = [LaneSource(seed, labels) for seed in (0, 1)]
    data = LaneData(dataset, spec.fractions, sources, {}, torch.device("cpu"))
    first, second = (data.training_labels(lane) for lane in (0, 1))
    assert first.rows.tolist() == second.rows.tolist() == dataset.given_splits["train"].tolist()
    assert (first.given != second.given).any()
    assert 0.3 < (first.given != first.true).mean() < 0.5
    for split in ("meta", "validation", "test"):
        expected = dataset.labels[dataset.given_splits[split]]
        assert all((data.labels(split)[lane].numpy() == expected).all() for lane in (0, 1))


def test_clean_takes_the_first_rows_of_meta(tmp_path: Path) -> None:
    spec = _digits(tmp_path)
    file = tmp_path / "digits.npz"
    dataset = load_dataset(spec)
    assert isinstance(dataset, Dataset)
    own = _own(file, clean=0.02)
    sources = [LaneSource(0, Labels("symmetric", 0.0), clean="train")]
    data = LaneData(dataset, own.fractions, sources, {}, torch.device("cpu"))
    assert dataset.given_splits is not None
    assert data.size("meta") == data.certain == int(0.02 * 1797) == 35
    trained = data.training_labels(0).rows
    assert trained[-35:].tolist() == dataset.given_splits["meta"][:35].tolist()
    with pytest.raises(DataError, match=r"data.clean: 0.06 of 1797 examples is 107, .* has 100;"):
        load_dataset(_own(file, clean=0.06))


def test_a_class_that_is_never_trained_on_is_refused(tmp_path: Path) -> None:
    labels = load_dataset(spec_of("digits")).strata
    train = np.flatnonzero((labels != 3) & (np.arange(1797) < 1000))
    spec = _digits(tmp_path, train=train, meta=[1790, 1791], validation=[1792], test=[1793, 1794])
    with pytest.raises(DataError, match=r"class 3 has no example in the training split of .*npz"):
        load_dataset(spec)


def test_a_part_keeps_the_shares_of_the_splits(tmp_path: Path) -> None:
    whole = _digits(tmp_path)
    part = load_dataset(
        DataSpec("digits", whole.fractions, {"examples": 180}, whole.noise, whole.task)
    )
    assert part.given_splits is not None
    sizes = {split: len(rows) for split, rows in part.given_splits.items()}
    assert len(part) == 180
    assert all(abs(sizes[s] - n) <= 3 for s, n in zip(SPLITS, (50, 10, 10, 20), strict=True))
    rows = np.concatenate(list(part.given_splits.values()))
    assert len(set(rows.tolist())) == len(rows)
    assert 0 <= rows.min() <= rows.max() < 180


def test_the_content_of_the_file_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    spec, plain = _digits(tmp_path), spec_of("digits")
    before = fingerprint(load_dataset(spec))
    assert may_change(spec)
    assert not may_change(plain)
    assert content_key(spec) != content_key(plain)
    assert len(json.loads(content_key(plain))) == 4
    _digits(tmp_path, meta=np.array([1, 2, 3]), train=np.arange(100, 500), validation=[5], test=[6])
    assert len({before, fingerprint(load_dataset(spec)), fingerprint(load_dataset(plain))}) == 3


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    said = missing(_own(tmp_path / "none.csv"))
    assert said == (
        f"there is no file {tmp_path / 'none.csv'}; put it there or correct data.splits.file"
    )


def _table(folder: Path, **columns: Any) -> dict[str, Any]:
    frame = pd.DataFrame({"a": range(10), "label": ["x", "y"] * 5, "split": NAMES, **columns})
    frame.to_csv(folder / "t.csv", index=False)
    return {"path": str(folder / "t.csv")}


def test_a_column_names_the_splits_and_is_no_feature(tmp_path: Path) -> None:
    dataset = load_dataset(_own(**_table(tmp_path, label=["x", "x", "y", "y"] + ["x", "y"] * 3)))
    assert isinstance(dataset, Dataset)
    assert dataset.info.feature_names == ("a",)
    assert dataset.given_splits is not None
    assert {s: rows.tolist() for s, rows in dataset.given_splits.items()} == ROWS


def test_a_column_that_names_none_is_told(tmp_path: Path) -> None:
    options = _table(tmp_path, split=["a"] * 10)
    with pytest.raises(DataError, match=r"t.csv: column 'split': 'a', of example 0"):
        load_dataset(_own(**options))
    pd.DataFrame({"a": [1, 2], "label": ["x", "y"]}).to_csv(options["path"], index=False)
    with pytest.raises(DataError, match=r"splits.column: .* has no column 'split' but a, label"):
        load_dataset(_own(**options))
    with pytest.raises(DataError, match=r"data.splits.column: 'split' is the column of labels"):
        load_dataset(_own(**_table(tmp_path), label="split"))

"""The user's own arrays and labels: what is read, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainers import specimens
from tests.trainers.specimens import FRACTIONS, OFFICIAL, Evil, spec_of
from trainers.classification.data.fashion_mnist import fashion_mnist
from trainers.classification.data.npz import npz
from trainers.data.arrays import read_labels
from trainers.data.errors import DataError
from trainers.loading import load_dataset, unusable
from trainers.settings import Labels, NoiseSpec


def test_npz_is_its_arrays_with_classes_in_ascending_order(tmp_path: Path) -> None:
    inputs = specimens.noise(4, 2, 3)
    np.savez(tmp_path / "a.npz", inputs=inputs, labels=np.array([5, -1, 5, 9], np.int16))
    dataset = npz(str(tmp_path / "a.npz"))
    assert np.array_equal(dataset.inputs, inputs.astype(np.float32))
    assert (dataset.labels.tolist(), dataset.classes) == ([1, 0, 1, 2], 3)
    assert (dataset.inputs.dtype, dataset.labels.dtype) == (np.float32, np.int64)


def test_npz_with_test_arrays_has_an_official_test_part(tmp_path: Path) -> None:
    parts = {"inputs": np.zeros((3, 2)), "test_inputs": np.ones((2, 2))}
    np.savez(tmp_path / "a.npz", **parts, labels=["b", "c", "b"], test_labels=["a", "c"])
    dataset = npz(str(tmp_path / "a.npz"))
    assert dataset.inputs[:, 0].tolist() == [0, 0, 0, 1, 1]
    assert (dataset.labels.tolist(), dataset.official_test) == ([1, 2, 1, 0, 2], 2)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros(2)}, ["no array 'inputs' but x"]),
        ({"inputs": np.zeros((2, 2))}, ["no array 'labels'"]),
        ({"inputs": np.zeros(2), "labels": [0, 1]}, ["inputs", "(2,)", "an example per row"]),
        ({"inputs": np.zeros((2, 0)), "labels": [0, 1]}, ["inputs", "(2, 0)"]),
        ({"inputs": [["a"], ["b"]], "labels": [0, 1]}, ["inputs are <U1"]),
        ({"inputs": np.zeros((2, 2)), "labels": [0, 1, 1]}, ["labels", "each of the 2 examples"]),
        ({"inputs": np.zeros((2, 2)), "labels": [0.0, 1.0]}, ["labels are float64", "astype(int)"]),
        ({"inputs": np.zeros((2, 2)), "labels": [0.0, np.nan]}, ["1 are NaN: drop these"]),
        ({"inputs": np.zeros((2, 2)), "labels": [0.0, 0.5]}, ["a quantity is no class"]),
        ({"inputs": np.zeros((2, 2)), "labels": [b"a", b"b"]}, ["labels are |S1", "astype(str)"]),
        ({"inputs": np.zeros((2, 2)), "labels": np.eye(2, dtype=int)}, ["argmax(axis=1)"]),
        ({"inputs": np.zeros((2, 2)), "labels": ["a", np.nan]}, ["'nan', which is no class"]),
        ({"inputs": np.zeros((2, 2)), "labels": ["a", " "]}, ["' ', which is no class"]),
        (
            {"inputs": np.zeros((2, 2)), "labels": [0, 1], "test_inputs": np.zeros((1, 2))},
            ["holds test_inputs and no test_labels; save both"],
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": [0, 1], "test_labels": [1]},
            ["holds test_labels and no test_inputs; save both"],
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": [0, 1], "inputs_test": np.zeros((1, 2))},
            ["array 'inputs_test', which is not read", "'test_inputs'", "inputs, labels, test_in"],
        ),
        # Wrong by one in either part, right in sum: every label of the test part would be shifted.
        (
            {"inputs": np.zeros((30, 2)), "labels": np.arange(29) % 2,
             "test_inputs": np.zeros((10, 2)), "test_labels": np.arange(11) % 2},
            ["its labels are int64 of the shape (29,)", "each of the 30 examples in inputs"],
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": [0, 1], "test_inputs": np.zeros((1, 2)),
             "test_labels": ["0"]},
            ["labels are int64, test_labels <U1; save both alike"],
        ),
        (
            {"inputs": np.zeros((2, 2)), "labels": [0, 1], "test_inputs": np.zeros((1, 3)),
             "test_labels": [1]},
            ["(2,)", "(3,)", "save both alike"],
        ),
    ],
)  # fmt: skip
def test_npz_that_cannot_be_used_says_why(
    tmp_path: Path, arrays: dict[str, Any], words: list[str]
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError) as caught:
        npz(str(path))
    assert str(caught.value).startswith(str(path))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_npz_of_objects_is_not_unpickled(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    evil = np.array([Evil(proof)], dtype=object)
    np.savez(tmp_path / "a.npz", inputs=evil, labels=np.zeros(1, int))
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as arrays .*Object arrays"):
        npz(str(tmp_path / "a.npz"))
    assert not proof.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x93NUMPY", b"\x80\x04N."])
def test_file_that_is_no_npz_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    for read in (npz, read_labels):
        with pytest.raises(DataError, match=r"a\.npz: cannot be read as"):
            read(str(tmp_path / "a.npz"))


def test_class_of_the_official_test_part_alone_is_refused(tmp_path: Path) -> None:
    parts = {"inputs": np.zeros((30, 2)), "test_inputs": np.ones((3, 2))}
    labels = {"labels": ["b", "c"] * 15, "test_labels": ["a", "c", "b"]}
    np.savez(tmp_path / "a.npz", **parts, **labels)
    own = {"path": str(tmp_path / "a.npz")}
    with pytest.raises(DataError, match=r"class 0 \(a\) has examples in the official test part al"):
        load_dataset(spec_of("npz", own, OFFICIAL))
    # Pooled, the class has examples in every part.
    assert load_dataset(spec_of("npz", own)).classes == 3


def test_names_of_classes_are_kept_and_odd_ones_told(tmp_path: Path) -> None:
    labels = ["Cat", "cat", "dog ", "dog", "NA", "ok"]
    np.savez(tmp_path / "a.npz", inputs=np.zeros((6, 1)), labels=labels)
    info = npz(str(tmp_path / "a.npz")).info
    assert info.class_names == ("Cat", "NA", "cat", "dog", "dog ", "ok")
    told = [remark.removeprefix(f"{tmp_path / 'a.npz'}: ") for remark in info.remarks]
    assert told[0].startswith("'Cat' and 'cat' are 2 classes")
    assert told[1].startswith("'dog' and 'dog ' are 2 classes")
    assert told[2].startswith("'NA' is taken for a class")
    assert len(told) == 3


@pytest.mark.parametrize(
    ("shape", "told"), [((28, 32, 3), True), ((3, 28, 32), False), ((1, 8, 3), False)]
)
def test_images_with_channels_last_are_told(
    tmp_path: Path, shape: tuple[int, ...], told: bool
) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((2, *shape)), labels=[0, 1])
    remarks = npz(str(tmp_path / "a.npz")).info.remarks
    assert bool(remarks) == told
    assert all("28 channels of 32 x 3" in r and "transpose(0, 3, 1, 2)" in r for r in remarks)


def test_numbers_too_large_for_single_precision_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=[[0.0], [1e39], [1.0]], labels=[0, 1, 1])
    with pytest.raises(DataError, match=r"NaN or infinity in 1 example, the first of them 1 "):
        load_dataset(spec_of("npz", {"path": str(tmp_path / "a.npz")}))


# Labels from a file


def _noise_file(tmp_path: Path, labels: np.ndarray) -> str:
    np.save(tmp_path / "labels.npy", labels)
    return str(tmp_path / "labels.npy")


def _noise(file: str) -> NoiseSpec:
    return NoiseSpec(options={"noise_file": file})


def test_noise_file_of_all_examples_or_of_the_training_part(tmp_path: Path) -> None:
    specimens.write_fashion(tmp_path, 100, 30)
    own = {"folder": str(tmp_path)}
    true = fashion_mnist(str(tmp_path)).labels
    given = (true[:100] + (np.arange(100) < 25)) % 10
    file = _noise_file(tmp_path, given)
    dataset = load_dataset(spec_of("fashion_mnist", own, OFFICIAL, noise=_noise(file)))
    assert dataset.file_labels is not None
    assert np.array_equal(dataset.file_labels[:100], given)
    assert np.array_equal(dataset.file_labels[100:], true[100:])
    with pytest.raises(DataError, match=r"100 labels; .* has 130 .* splits\.test: official"):
        load_dataset(spec_of("fashion_mnist", own, FRACTIONS, noise=_noise(file)))
    part = load_dataset(
        spec_of("fashion_mnist", {**own, "examples": 65}, OFFICIAL, noise=_noise(file))
    )
    assert part.file_labels is not None
    assert 0 < (part.file_labels != part.labels).sum() < 25


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.zeros(5, int), ["5 labels", "1797"]),
        (np.full(1797, 10), ["10 to 10", "0 to 9"]),
        (np.zeros(1797), ["float64", "whole numbers"]),
        (np.zeros((1797, 1), int), ["(1797, 1)"]),
    ],
)
def test_noise_file_that_does_not_fit_is_named(
    tmp_path: Path, labels: np.ndarray, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(spec_of("digits", noise=_noise(_noise_file(tmp_path, labels))))
    assert all(word in str(caught.value) for word in ["labels.npy", *words]), str(caught.value)


def test_noise_file_may_be_an_npz_of_one_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", worse_label=[1, 2])
    np.savez(tmp_path / "two.npz", a=[1], b=[2])
    assert read_labels(str(tmp_path / "one.npz")).tolist() == [1, 2]
    with pytest.raises(DataError, match=r"two\.npz: holds 2 arrays \(a, b\)"):
        read_labels(str(tmp_path / "two.npz"))


def test_rate_of_a_noise_file_is_what_it_is(tmp_path: Path) -> None:
    true = load_dataset(spec_of("digits")).labels
    given = true.copy()
    given[:359] = (given[:359] + 1) % 10  # 359 of 1797: 19.98 %
    spec = spec_of("digits", noise=_noise(_noise_file(tmp_path, given)))
    dataset = load_dataset(spec)
    assert unusable(dataset, spec, Labels("file", 0.2)) is None
    assert unusable(dataset, spec, Labels("file", 0.0)) is None
    said = unusable(dataset, spec, Labels("file", 0.3))
    assert said is not None
    assert all(word in said for word in ("conditions.noise_rate: 0.3", "20.0 %", "give 0 or 0.20"))


def test_class_map_of_classes_that_are_not_there_is_refused() -> None:
    spec = spec_of("digits", noise=NoiseSpec(options={"class_map": ((3, 12),)}))
    said = unusable(load_dataset(spec), spec, Labels("asymmetric", 0.4))
    assert said == "conditions.class_map: 12 is no class; they are 0 to 9"

"""Data sets of images: what is read, what is refused, and with which words."""

import functools
import gzip
import hashlib
import io
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainers import specimens
from tests.trainers.specimens import OFFICIAL, Evil, spec_of
from trainers.classification.data.cifar import CIFAR10, CIFAR100, PlainUnpickler, load_cifar
from trainers.classification.data.fashion_mnist import fashion_mnist
from trainers.data import fashion_files
from trainers.data.errors import DataError
from trainers.data.fashion_files import TEST, TRAIN
from trainers.loading import load_dataset, missing


def test_digits_are_images_of_their_sixty_four_grey_levels() -> None:
    from sklearn.datasets import load_digits

    dataset = load_dataset(spec_of("digits"))
    assert dataset.inputs.shape == (1797, 1, 8, 8)
    expected = (load_digits().data / 16.0).astype(np.float32)
    assert np.array_equal(dataset.inputs.reshape(1797, 64), expected)


# Fashion-MNIST


def test_fashion_mnist_is_the_pixels_standardised_with_the_test_part_last(tmp_path: Path) -> None:
    written = specimens.write_fashion(tmp_path, 80, 20)
    dataset = fashion_mnist(str(tmp_path))
    assert dataset.inputs.shape == (100, 1, 28, 28)
    assert dataset.official_test == 20
    for part, (images, labels) in ((slice(80), TRAIN), (slice(80, 100), TEST)):
        pixels = dataset.inputs[part, 0] * 0.3530 + 0.2860
        assert np.abs(pixels * 255 - written[images]).max() < 1e-3
        assert np.array_equal(dataset.labels[part], written[labels])


def test_folder_of_the_spec_comes_before_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, own = tmp_path / "machine", tmp_path / "own"
    for folder, n in ((machine / "fashion-mnist", 30), (own, 50)):
        folder.mkdir(parents=True)
        specimens.write_fashion(folder, n, 10)
    monkeypatch.setenv("ALMKD_DATA", str(machine))
    assert len(load_dataset(spec_of("fashion_mnist")).labels) == 40
    assert len(load_dataset(spec_of("fashion_mnist", {"folder": str(own)})).labels) == 60


# Without the time of day, which would give the same test another name in every process.
PACK = functools.partial(gzip.compress, mtime=0)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not gzip", ["gzip", "fetch it again"]),
        (PACK(b"\0\0\x08\x01\0\0\0\x60" + bytes(96))[:-9], ["gzip"]),
        (PACK(b""), ["no IDX file"]),
        (PACK(b"\0\0\x0d\x01\0\0\0\x02ab"), ["no IDX file"]),
        (PACK(b"\0\0\x08\x01\0\0\0\x03ab"), ["2 bytes", "says 3"]),
        (PACK(b"\0\0\x08\x01\0\0\0\x02ab"), ["80 images", "2 labels"]),
        (PACK(b"\0\0\x08\x01\0\0\0\x50" + b"\x0a" * 80), ["label 10", "0 to 9"]),
    ],
)
def test_damaged_idx_file_is_named(tmp_path: Path, content: bytes, words: list[str]) -> None:
    specimens.write_fashion(tmp_path, 80, 20)
    (tmp_path / TRAIN[1]).write_bytes(content)
    with pytest.raises(DataError) as caught:
        fashion_mnist(str(tmp_path))
    assert all(word in str(caught.value) for word in [TRAIN[1], *words]), str(caught.value)


@pytest.mark.parametrize(("mean", "refused"), [(0.2860, False), (0.1307, True), (0.1918, True)])
def test_another_data_set_of_the_same_file_names_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mean: float, refused: bool
) -> None:
    """By the mean of the training images: that of MNIST is 0.1307, of KMNIST 0.1918."""
    monkeypatch.setattr(fashion_files, "TRAINED_ON", 50)
    specimens.write_fashion(tmp_path, 50, 10)
    white = np.arange(50 * 28 * 28) < mean * 50 * 28 * 28
    pixels = 255 * white.reshape(50, 28, 28)
    specimens.write_idx(tmp_path / TRAIN[0], pixels)
    if refused:
        with pytest.raises(DataError, match=rf"mean {mean:.4f}, those of Fashion-MNIST 0\.2860"):
            fashion_mnist(str(tmp_path))
    else:
        assert len(fashion_mnist(str(tmp_path))) == 60


def test_real_fashion_mnist_where_it_is() -> None:
    spec = spec_of("fashion_mnist", fractions=OFFICIAL)
    if reason := missing(spec):
        pytest.skip(reason)
    dataset = load_dataset(spec)
    assert dataset.inputs.shape == (70_000, 1, 28, 28)
    assert dataset.official_test == 10_000
    assert (np.bincount(dataset.labels[:60_000]) == 6000).all()
    assert (np.bincount(dataset.labels[60_000:]) == 1000).all()
    train = dataset.inputs[:60_000].astype(np.float64)
    assert abs(train.mean()) < 1e-3
    assert abs(train.std() - 1) < 1e-3


# CIFAR


def test_cifar_is_the_pixels_channel_by_channel(tmp_path: Path) -> None:
    archive = specimens.write_cifar(tmp_path, CIFAR10, specimens.cifar_members(CIFAR10, 20))
    dataset = load_cifar(archive, str(tmp_path))
    assert dataset.inputs.shape == (120, 3, 32, 32)
    assert dataset.official_test == 20
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (CIFAR10.standard.mean, CIFAR10.standard.std))
    pixels = (dataset.inputs * std + mean) * 255
    for member in range(6):
        part = slice(20 * member, 20 * member + 20)
        # Rows of 3,072 bytes: first all of red, row by row, then green, then blue.
        expected = specimens.cifar_pixels(member, 20).reshape(20, 3, 32, 32)
        assert np.abs(pixels[part] - expected).max() < 1e-3
        assert np.array_equal(dataset.labels[part], specimens.cifar_labels(20))


def test_cifar100_has_the_fine_labels_of_a_python_2_pickle(tmp_path: Path) -> None:
    pixels, labels = specimens.cifar_pixels(0, 3), [7, 99, 0]
    content = specimens.python2_pickle(pixels, "fine_labels", labels)
    members = {CIFAR100.train[0]: content, CIFAR100.test: content}
    dataset = load_cifar(specimens.write_cifar(tmp_path, CIFAR100, members), str(tmp_path))
    assert dataset.classes == 100
    assert dataset.labels.tolist() == labels * 2
    back = dataset.inputs[:3] * np.reshape(CIFAR100.standard.std, (3, 1, 1))
    back = (back + np.reshape(CIFAR100.standard.mean, (3, 1, 1))) * 255
    assert np.abs(back.reshape(3, -1) - pixels).max() < 1e-3


def test_archive_that_is_not_the_published_one_is_not_opened(tmp_path: Path) -> None:
    specimens.write_cifar(tmp_path, CIFAR10, {"evil": b""})
    with pytest.raises(DataError, match=r"cifar-10-python\.tar\.gz: its MD5 is .* fetch it again"):
        load_cifar(CIFAR10, str(tmp_path))


def test_evil_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    members = specimens.cifar_members(CIFAR10, 10)
    members[CIFAR10.test] = pickle.dumps({"data": Evil(tmp_path / "proof"), "labels": []})
    archive = specimens.write_cifar(tmp_path, CIFAR10, members)
    with pytest.raises(DataError, match=r"test_batch: holds no examples: asks for \w+\.system"):
        load_cifar(archive, str(tmp_path))
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [("builtins", "eval"), ("builtins", "getattr"), ("numpy", "load"), ("numpy.core", "x"),
     ("numpy", "ndarray.tofile"), ("os", "system"), ("numpy.core.multiarray", "fromfile")],
)  # fmt: skip
def test_unpickler_finds_nothing_but_what_arrays_are_made_of(module: str, name: str) -> None:
    content = f"c{module}\n{name}\n.".encode()
    with pytest.raises(pickle.UnpicklingError, match=r"which no array of images needs"):
        PlainUnpickler(io.BytesIO(content)).load()


@pytest.mark.parametrize(
    "batch",
    [
        [],
        {"labels": [1]},
        {"data": [1], "labels": [1]},
        {"data": np.zeros((1, 3072)), "labels": [1]},
        {"data": np.zeros((1, 3071), np.uint8), "labels": [1]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": [10]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": [1, 2]},
        {"data": np.zeros((1, 3072), np.uint8), "labels": ["1"]},
        {"data": np.array([None]), "labels": [1]},
    ],
)
def test_pickle_that_holds_no_examples_is_named(tmp_path: Path, batch: object) -> None:
    members = {**specimens.cifar_members(CIFAR10, 2), CIFAR10.test: pickle.dumps(batch, protocol=4)}
    archive = specimens.write_cifar(tmp_path, CIFAR10, members)
    with pytest.raises(DataError, match=r"cifar-10-batches-py/test_batch: holds no examples: "):
        load_cifar(archive, str(tmp_path))


def test_archive_without_a_member_or_cut_off_is_named(tmp_path: Path) -> None:
    archive = specimens.write_cifar(tmp_path, CIFAR10, {"cifar-10-batches-py/test_batch": b""})
    with pytest.raises(DataError, match=r"lacks cifar-10-batches-py/data_batch_1, "):
        load_cifar(archive, str(tmp_path))
    path = tmp_path / archive.file
    path.write_bytes(path.read_bytes()[:40])
    cut = replace(archive, md5=hashlib.md5(path.read_bytes()).hexdigest())
    with pytest.raises(DataError, match="cannot be unpacked"):
        load_cifar(cut, str(tmp_path))

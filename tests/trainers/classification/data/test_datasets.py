"""What holds for data sets of any origin, and those that are made up."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainers import specimens
from tests.trainers.cases import CPU
from tests.trainers.specimens import OFFICIAL, spec_of
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.datasets import DATASETS
from trainers.classification.data.lanes import LaneData
from trainers.data.errors import DataError
from trainers.fields import FieldError, checked
from trainers.loading import check_splits, load_dataset, missing
from trainers.settings import Labels, LaneSource, NoiseSpec


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_input_that_is_no_finite_number_is_refused(tmp_path: Path, value: float) -> None:
    np.savez(tmp_path / "a.npz", inputs=[[0.0], [value]], labels=[0, 1])
    with pytest.raises(DataError, match="NaN or infinity"):
        load_dataset(spec_of("npz", {"path": str(tmp_path / "a.npz")}))


def test_one_class_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((3, 1)), labels=[2, 2, 2])
    with pytest.raises(DataError, match="at least two classes"):
        load_dataset(spec_of("npz", {"path": str(tmp_path / "a.npz")}))


def test_official_test_part_and_crops_are_refused_where_there_are_none(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", inputs=np.zeros((3, 1)), labels=[0, 1, 1])
    own = {"path": str(tmp_path / "a.npz")}
    with pytest.raises(DataError, match=r"no official test part; give data\.splits\.test a share"):
        load_dataset(spec_of("npz", own, OFFICIAL))
    with pytest.raises(DataError, match=r"data\.augment needs images"):
        load_dataset(spec_of("npz", {**own, "augment": "crop_flip"}))


def test_part_of_a_data_set_keeps_its_classes_and_its_test_part(tmp_path: Path) -> None:
    specimens.write_fashion(tmp_path, 800, 200)
    own = {"folder": str(tmp_path)}
    whole = load_dataset(spec_of("fashion_mnist", own))
    part = load_dataset(spec_of("fashion_mnist", {**own, "examples": 100}))
    assert (len(part.labels), part.official_test) == (100, 20)
    assert (np.bincount(part.labels[:80]) == 8).all()
    assert (np.bincount(part.labels[80:]) == 2).all()
    tests = {image.tobytes() for image in whole.inputs[800:]}
    assert [image.tobytes() in tests for image in part.inputs] == [False] * 80 + [True] * 20
    with pytest.raises(DataError, match=r"data\.examples: 1001 are asked for, there are 1000"):
        load_dataset(spec_of("fashion_mnist", {**own, "examples": 1001}))
    with pytest.raises(DataError, match=r"data\.examples: 9 examples leave class \d .*with none"):
        load_dataset(spec_of("fashion_mnist", {**own, "examples": 9}))


def test_official_test_part_is_the_test_split_whatever_the_seed(tmp_path: Path) -> None:
    specimens.write_fashion(tmp_path, 100, 30)
    dataset = load_dataset(spec_of("fashion_mnist", {"folder": str(tmp_path)}, OFFICIAL))
    sources = [LaneSource(seed, Labels("symmetric", 0.4)) for seed in (1, 2)]
    data = LaneData(dataset, OFFICIAL, sources, {}, CPU)
    places = torch.arange(30).expand(2, -1)
    for lane in data.inputs_of("test", places).numpy():
        assert np.array_equal(lane, dataset.inputs[100:])
    assert (data.labels("test").numpy() == dataset.labels[100:]).all()
    assert [data.size(s) for s in ("train", "meta", "validation")] == [60, 20, 20]
    drawn = {x.tobytes() for x in data.inputs_of("train", places).flatten(0, 1).numpy()}
    assert not drawn & {x.tobytes() for x in dataset.inputs[100:]}


def test_missing_files_are_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMKD_DATA", str(tmp_path / "nowhere"))
    for name in ("cifar10", "cifar100"):
        said = missing(spec_of(name))
        assert said is not None
        nowhere = str(tmp_path / "nowhere")
        for word in (name, "-python.tar.gz", nowhere, f"almkd fetch {name}", "data.folder"):
            assert word in said
    absent = str(tmp_path / "absent")
    said = missing(spec_of("fashion_mnist", {"folder": absent}))
    assert said is not None
    assert all(w in said for w in ("almkd fetch fashion_mnist", absent, "ALMKD_DATA"))
    assert "class>/<image>" in str(missing(spec_of("image_folder", {"folder": absent})))
    assert f"no file {absent}" in str(missing(spec_of("npz", {"path": absent})))
    noise = NoiseSpec(options={"noise_file": absent})
    assert "conditions.noise_file" in str(missing(spec_of("digits", noise=noise)))
    assert missing(spec_of("digits")) is None


def test_missing_data_set_raises_the_same_words_when_loaded(tmp_path: Path) -> None:
    spec = spec_of("cifar10", {"folder": str(tmp_path)})
    with pytest.raises(DataError) as caught:
        load_dataset(spec)
    assert str(caught.value) == missing(spec)


def test_gaussians_need_as_many_corners_as_classes() -> None:
    spec = spec_of("synthetic_gmm", {"features": 3, "classes": 9})
    with pytest.raises(DataError, match=r"data\.classes: 9 clusters .* 3 features has 8"):
        load_dataset(spec)


@pytest.mark.parametrize("name", ["synthetic_gmm", "spiral", "blobs"])
def test_made_up_data_is_of_the_size_that_was_asked_for(name: str) -> None:
    options = {"examples": 120, "classes": 3}
    if "features" in {field.name for field in DATASETS[name].fields}:
        options["features"] = 5
    dataset = load_dataset(spec_of(name, options))
    assert dataset.inputs.shape == (120, options.get("features", 2))
    assert dataset.classes == 3
    assert np.bincount(dataset.labels).tolist() == [40, 40, 40]


def test_arms_of_the_spiral_are_turned_copies_of_one_another() -> None:
    """Without jitter: turning one arm by 90 degrees gives the next."""
    dataset = load_dataset(spec_of("spiral", {"examples": 400, "spread": 1e-9}))
    for c in range(3):
        x, y = dataset.inputs[dataset.labels == c].T
        following = dataset.inputs[dataset.labels == c + 1]
        assert np.abs(following - np.stack([-y, x], axis=1)).max() < 1e-5


def test_blobs_have_the_spread_that_was_asked_for() -> None:
    options = {"examples": 4000, "classes": 2, "features": 3, "spread": 0.5}
    dataset = load_dataset(spec_of("blobs", options))
    for c in range(2):
        assert dataset.inputs[dataset.labels == c].std(axis=0) == pytest.approx([0.5] * 3, rel=0.1)


@pytest.mark.parametrize(
    ("given", "words"),
    [("id", "a list of texts"), ([], "at least one"), (["id", 3], "holds 3, which must be text")],
)
def test_columns_to_leave_out_are_a_list_of_names(given: object, words: str) -> None:
    with pytest.raises(FieldError, match=words):
        checked(DATASETS["csv"].fields, {"path": "a.csv", "drop": given}, "csv")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"inputs": np.zeros((3, 1))}, "inputs are float64"),
        ({"inputs": np.zeros(3, np.float32)}, "an example per row"),
        ({"labels": np.array([0, 1, 1], np.int32)}, "labels are int32"),
        ({"labels": np.array([0, 1])}, "one for each of the 3 examples"),
        ({"labels": np.array([0, 1, 2])}, "labels go from 0 to 2; of 2 classes they have to be 0"),
        ({"labels": np.array([-1, 0, 1])}, "labels go from -1 to 1"),
    ],
)
def test_arrays_that_code_of_the_users_own_gives_are_looked_at(
    wrong: dict[str, np.ndarray], words: str
) -> None:
    right = {"inputs": np.zeros((3, 1), np.float32), "labels": np.array([0, 1, 1])}
    with pytest.raises(DataError, match=words):
        check_splits(Dataset(**{**right, **wrong}, classes=2), spec_of("npz"))


def test_what_a_reader_tells_stays_with_a_part_of_the_data(tmp_path: Path) -> None:
    labels = np.repeat(["a", "b"], 10)
    np.savez(tmp_path / "a.npz", inputs=np.zeros((20, 9, 9, 3)), labels=labels)
    path = str(tmp_path / "a.npz")
    whole = load_dataset(spec_of("npz", {"path": path}))
    assert whole.info.remarks
    assert load_dataset(spec_of("npz", {"path": path, "examples": 4})).info == whole.info

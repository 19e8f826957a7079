"""Images in a folder per class: what is read, what is skipped and told, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainers import specimens
from tests.trainers.specimens import spec_of
from trainers.classification.data.image_folder import image_folder
from trainers.data.errors import DataError
from trainers.loading import load_dataset, missing


def test_image_folder_is_a_class_per_folder_in_order_of_names(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"zebra": 2, "ant": 3})
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    (tmp_path / "readme.md").write_text("no class")
    dataset = image_folder(str(tmp_path), 8)
    assert dataset.inputs.shape == (5, 3, 8, 8)
    assert dataset.labels.tolist() == [0, 0, 0, 1, 1]
    # The red of an image is its class's as written, 100 for ant and 0 for zebra; green its number.
    first = (dataset.inputs[:, :, 0, 0] * (0.229, 0.224, 0.225) + (0.485, 0.456, 0.406)) * 255
    assert np.abs(first[:, 0] - [100, 100, 100, 0, 0]).max() < 1e-3
    assert np.abs(first[:, 1] - [0, 1, 2, 0, 1]).max() < 1e-3
    assert dataset.official_test == 0


def test_image_folder_takes_grey_and_transparent_images_of_any_size(tmp_path: Path) -> None:
    for name, mode in (("a", "L"), ("b", "RGBA"), ("c", "P")):
        (tmp_path / name).mkdir()
        Image.new(mode, (31, 5)).save(tmp_path / name / "0.PNG")
    dataset = image_folder(str(tmp_path), 4)
    assert dataset.inputs.shape == (3, 3, 4, 4)
    assert "1 image with transparent parts" in dataset.info.remarks[0]


def test_image_folder_with_parts_has_an_official_test_part(tmp_path: Path) -> None:
    specimens.write_images(tmp_path / "train", {"a": 4, "b": 5})
    specimens.write_images(tmp_path / "test", {"b": 2})
    dataset = image_folder(str(tmp_path), 8)
    assert dataset.official_test == 2
    assert dataset.labels.tolist() == [0] * 4 + [1] * 5 + [1] * 2
    specimens.write_images(tmp_path / "test", {"stranger": 1})
    with pytest.raises(DataError, match=r"stranger is no class of .*train"):
        image_folder(str(tmp_path), 8)


def test_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "b" / "bad.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"b/bad\.jpg: cannot be read as an image"):
        image_folder(str(tmp_path), 8)


def test_class_without_images_is_refused(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match=r"/c: is a class without images, holding nothing; .*\.jpg"):
        load_dataset(spec_of("image_folder", {"folder": str(tmp_path)}))


# What lies beside the images


def test_what_systems_leave_is_neither_image_nor_class(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"katze": 3, "hund": 2})
    for name in ("__MACOSX", ".ipynb_checkpoints"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "._1.png").write_bytes(b"AppleDouble")
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "katze/._1.png", "katze/Thumbs.db"):
        (tmp_path / name).write_bytes(b"AppleDouble")
    dataset = image_folder(str(tmp_path), 4)
    assert np.bincount(dataset.labels).tolist() == [2, 3]
    assert dataset.info.class_names == ("hund", "katze")
    assert "skipped 7 files: 7 hidden" in dataset.info.remarks[0]


def test_what_is_skipped_is_counted_by_kind(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"a": 3, "b": 2, "b/old": 4})
    for name in ("a/1.jfif", "a/2.JFIF", "a/labels.csv", "Makefile"):
        (tmp_path / name).write_bytes(b"")
    Image.new("RGB", (2, 2)).save(tmp_path / "beside.png")
    dataset = image_folder(str(tmp_path), 4)
    assert len(dataset) == 5
    (remark,) = dataset.info.remarks
    assert remark.startswith(f"{tmp_path}: skipped 9 files: ")
    told = ("2 of .jfif", "1 of .csv", "4 in folders below", "1 in no folder of a class",
            "1 of Makefile", "read is .bmp, .gif, .jpeg, .jpg, .png")  # fmt: skip
    assert all(part in remark for part in told), remark


def test_nothing_is_told_of_a_clean_folder(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"a": 3, "b": 2})
    assert image_folder(str(tmp_path), 4).info.remarks == ()


@pytest.mark.parametrize(
    ("inside", "words"),
    [
        (["x.jfif", "y.jfif"], ["files of .jfif;", ".jpg", "convert or remove them"]),
        (["schlange/x.png"], ["folders (schlange)", "put its images right into it"]),
        ([], ["holding nothing", "fill or remove it"]),
    ],
)
def test_class_without_images_is_named_with_what_it_holds(
    tmp_path: Path, inside: list[str], words: list[str]
) -> None:
    specimens.write_images(tmp_path, {"hund": 2, "katze": 2})
    (tmp_path / "reptil").mkdir()
    for name in inside:
        (tmp_path / "reptil" / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / "reptil" / name, format="png")
    with pytest.raises(DataError) as caught:
        image_folder(str(tmp_path), 4)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'reptil'}: is a class without images, holding ")
    assert all(word in said for word in words), said


# Parts of a data set


@pytest.mark.parametrize(
    "parts", [("train", "val"), ("train", "val", "test"), ("Train", "Test"), ("training", "dev")]
)
def test_parts_are_not_taken_for_classes(tmp_path: Path, parts: tuple[str, ...]) -> None:
    for part in parts:
        specimens.write_images(tmp_path / part, {"a": 2, "b": 2})
    said = str(missing(spec_of("image_folder", {"folder": str(tmp_path)})))
    assert "are parts of a data set and no classes" in said
    assert all(word in said for word in (*parts, "train/<class>/", "data.splits", "named test"))


def test_parts_beside_other_folders_are_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        specimens.write_images(tmp_path / part, {"a": 2, "b": 2})
    (tmp_path / "annotations").mkdir()
    said = str(missing(spec_of("image_folder", {"folder": str(tmp_path)})))
    assert "test, train holds folders and no images, beside annotations" in said


def test_classes_may_be_called_as_parts_are(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"train": 2, "tram": 2})
    assert image_folder(str(tmp_path), 4).info.class_names == ("train", "tram")


@pytest.mark.parametrize("outer", ["train", "dataset"])
def test_folder_one_too_high_is_told_with_the_right_one(tmp_path: Path, outer: str) -> None:
    specimens.write_images(tmp_path / outer, {"a": 2, "b": 2})
    said = str(missing(spec_of("image_folder", {"folder": str(tmp_path)})))
    assert f"give data.folder: {tmp_path / outer}" in said


def test_classes_of_the_test_part_are_known_before_anything_starts(tmp_path: Path) -> None:
    specimens.write_images(tmp_path / "train", {"a": 2, "b": 2})
    specimens.write_images(tmp_path / "test", {"a": 2, "vogel": 2})
    said = str(missing(spec_of("image_folder", {"folder": str(tmp_path)})))
    assert f"{tmp_path / 'test'}: vogel is no class of {tmp_path / 'train'}" in said


# Names of classes


def test_numbered_folders_whose_classes_have_other_numbers_are_told(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {str(c): 1 for c in (1, 2, 10)})
    dataset = image_folder(str(tmp_path), 4)
    assert dataset.info.class_names == ("1", "10", "2")
    assert any("'1' is class 0" in remark for remark in dataset.info.remarks)


def test_folders_that_differ_in_case_alone_are_told(tmp_path: Path) -> None:
    specimens.write_images(tmp_path, {"Katze": 1, "katze": 1})
    assert any("'Katze' and 'katze' are 2 classes" in remark
               for remark in image_folder(str(tmp_path), 4).info.remarks)  # fmt: skip


def test_links_are_followed_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    specimens.write_images(tmp_path / "store", {"a": 2, "b": 2})
    root = tmp_path / "linked"
    root.mkdir()
    for name in ("a", "b"):
        (root / name).symlink_to(tmp_path / "store" / name)
    (root / "a" / "2.png").symlink_to(tmp_path / "store" / "b" / "00.png")
    assert np.bincount(image_folder(str(root), 4).labels).tolist() == [3, 2]
    (root / "a" / "3.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(DataError, match=r"3\.png: cannot be read as an image"):
        image_folder(str(root), 4)

"""Pictures for a trained student, and what it finds told in pixels of their files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from sweep.predicting import Prediction, predict
from tests.trainers.detection.files import PICTURES, shades, write_coco, write_pictures
from trainers.data.errors import DataError
from trainers.detection.data.coco import coco
from trainers.detection.data.raw_inputs import read_pictures
from trainers.detection.task import Detection
from trainers.settings import ModelSpec
from trainers.student_files import load_student, plain_weights, write_student

SIZE = 32
MEAN = (0.485, 0.456, 0.406)
STANDARD = {"scale": 255.0, "mean": list(MEAN), "std": [0.2] * 3}
FACTS = {"shape": [3, SIZE, SIZE], "class_names": ["cat", "dog"], "preprocessing": STANDARD}
SMALL = ModelSpec("detector", {"width": 2, "layers": 1, "tower": 1})


def _told(start: int, read: Any, *boxes: list[float]) -> list[list[Any]]:
    found = json.dumps([["cat", 0.5, *box] for box in boxes])
    table = read.told(start, {"found": np.array([found], dtype=object)})
    return [row[2:] for row in json.loads(table["found"][0])]


def test_files_are_shown_as_the_data_set_shows_them(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "pictures")
    dataset = coco(str(tmp_path / "pictures"), str(file), SIZE)
    found = read_pictures(tmp_path / "pictures", FACTS, {})
    assert found.names == list(dataset.names)
    inputs, remarks = found.batch(0, 3)
    assert not remarks
    assert np.array_equal(inputs, dataset.images)
    assert np.array_equal(found.batch(1, 2)[0], dataset.images[1:2])


def test_boxes_are_told_in_pixels_of_the_file(tmp_path: Path) -> None:
    """64 x 48 pixels are shown as 32 x 24."""
    write_pictures(tmp_path)
    found = read_pictures(tmp_path, FACTS, {})
    found.batch(0, 3)
    assert _told(0, found, [1, 2, 3.25, 4]) == [[2, 4, 6.5, 8]]
    # It is clipped to the picture, and what is in what fills up alone is gone.
    assert _told(1, found, [1, 2, 20, 32], [18, 0, 30, 9]) == [[2, 4, 32, 64]]
    assert _told(2, found, [8, 8, 16, 16]) == [[10, 10, 20, 20]]


def test_grey_students_see_grey_levels(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), (200, 100, 50)).save(tmp_path / "a.png")
    standard = {"scale": 255.0, "mean": [0.4], "std": [0.2]}
    facts = {"shape": [1, 48, 48], "class_names": ["a"], "preprocessing": standard}
    found = read_pictures(tmp_path / "a.png", facts, {})
    assert found.names == ["a.png"]
    (shown,), _ = found.batch(0, 1)
    level = round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)
    assert (shown[0, :10, :20] == level).all()
    assert (shown[0, 10:] == 102).all()
    assert (shown[0, :, 20:] == 102).all()


def test_what_pictures_lose_is_told_with_their_place(tmp_path: Path) -> None:
    Image.fromarray(np.full((10, 10), 25700, np.uint16)).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    found = read_pictures(tmp_path, FACTS, {})
    assert found.remarks == (f"{tmp_path}: skipped 1 file: 1 of .txt",)
    inputs, (said,) = found.batch(0, 1)
    assert (inputs[0, :, :10, :10] == 100).all()
    assert said.startswith(f"{tmp_path / 'a.png'}: 1 image of 16 bits")


def test_arrays_are_shown_as_they_are(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, SIZE, SIZE), np.uint8)
    np.save(tmp_path / "a.npy", pictures)
    found = read_pictures(tmp_path / "a.npy", FACTS, {})
    assert found.names is None
    assert np.array_equal(found.batch(0, 2)[0], pictures)
    assert _told(0, found, [1, 2, 3, 4]) == [[1, 2, 3, 4]]
    np.save(tmp_path / "b.npy", pictures[:, :1])
    with pytest.raises(DataError, match=r"b\.npy: holds uint8 of the shape \(2, 1, 32, 32\)"):
        read_pictures(tmp_path / "b.npy", FACTS, {})


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*a\.png; correct the name"):
        read_pictures(tmp_path / "a.png", FACTS, {})
    with pytest.raises(DataError, match="holds no picture; put some there, read is"):
        read_pictures(tmp_path, FACTS, {})
    other = tmp_path / "a.mp4"
    other.touch()
    with pytest.raises(DataError, match=r"a\.mp4: is none of \.bmp, .*; convert it"):
        read_pictures(other, FACTS, {})
    with pytest.raises(DataError, match=r"data\.size: is no option of pictures"):
        read_pictures(other, FACTS, {"size": "3"})
    shades(8, 8).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"inputs of the shape .* which no square picture has"):
        read_pictures(tmp_path / "a.png", {**FACTS, "shape": [3, 32, 48]}, {})


def test_a_student_tells_what_it_finds_in_pixels_of_files(tmp_path: Path) -> None:
    """The same as it tells of what it is shown, less what is beyond the edge, twice as large."""
    write_pictures(tmp_path / "pictures", {"a.png": PICTURES["a.png"]})
    torch.manual_seed(0)
    network = Detection().student(SMALL, FACTS).network
    weights = plain_weights(network.state_dict(), "")
    description = {"task": "detection", "network": {"name": SMALL.name, "sizes": SMALL.sizes}}
    (tmp_path / "student").mkdir()
    write_student(tmp_path / "student", weights, {**description, **FACTS})
    wanted = Prediction(tmp_path / "student", (tmp_path / "pictures",))
    out = tmp_path / "said.csv"
    assert predict(wanted, out, lambda line: None) == 1
    said = pd.read_csv(out).iloc[0]
    assert said["file"] == "a.png"
    found = json.loads(said["found"])
    student = load_student(tmp_path / "student")
    inputs, _ = read_pictures(tmp_path / "pictures", FACTS, {}).batch(0, 1)
    with torch.inference_mode():
        shown = json.loads(student.table(student(torch.from_numpy(inputs)))["found"][0])
    edge = np.array([64, 48, 64, 48])
    expected = [
        [*row[:2], *box]
        for row in shown
        if (box := np.minimum(2 * np.array(row[2:]), edge).round(2).tolist())
        and box[0] < box[2]
        and box[1] < box[3]
    ]
    assert found
    assert found == expected

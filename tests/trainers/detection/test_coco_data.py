"""Pictures whose boxes a JSON file has: what is read, what is told, what is refused."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.trainers.detection.files import as_coco, shades, write_coco, write_pictures
from tests.trainers.specimens import OFFICIAL, spec_of
from trainers.data.errors import DataError
from trainers.data.pictures import ORIENTATION
from trainers.detection.data import coco as coco_module
from trainers.detection.data import fitted
from trainers.detection.data.coco import coco
from trainers.detection.data.dataset import BOX, CLASS, CROWD, Pictures, is_there
from trainers.detection.data.inspection import inspect
from trainers.loading import input_shape, load_dataset, missing

SIZE = 32


def _boxes(found: Pictures, picture: int) -> list[list[float]]:
    own = found.boxes[picture]
    return [[float(x) for x in row] for row in own[is_there(own)]]


def _read(tmp_path: Path, content: object = None, size: int = SIZE) -> Pictures:
    file = write_coco(tmp_path / "pictures", content)
    return coco(str(tmp_path / "pictures"), str(file), size)


def _changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = as_coco()
    change(content)
    return content


def _of_boxes(*boxes: list[float]) -> dict[str, Any]:
    """Of the first picture, 64 x 48, these boxes alone: left, top, width, height."""
    content = as_coco()
    content["annotations"] = [
        {"id": n, "image_id": 0, "category_id": 3, "bbox": box} for n, box in enumerate(boxes)
    ]
    return content


def _refused(tmp_path: Path, content: object) -> str:
    with pytest.raises(DataError) as caught:
        _read(tmp_path, content)
    return str(caught.value)


# What is read


def test_boxes_are_scaled_with_their_pictures(tmp_path: Path) -> None:
    found = _read(tmp_path)
    assert found.images.shape == (3, 3, SIZE, SIZE)
    assert found.images.dtype == np.uint8
    assert found.names == ("a.png", "b.png", "c.png")
    # 64 x 48, 32 x 64 and 40 x 40: the longer side is 32 pixels.
    assert found.scales.tolist() == pytest.approx([0.5, 0.5, 0.8])
    assert found.fitted.tolist() == [[24, 32], [32, 16], [32, 32]]
    assert _boxes(found, 0) == [[0, 2, 3, 12, 18, 0], [1, 15, 5, 30, 20, 0]]
    assert _boxes(found, 1) == [[1, 1, 1.5, 15, 16.5, 0]]
    assert _boxes(found, 2) == []
    assert found.info.remarks == ()
    assert found.problem(spec_of("coco", task="detection")) is None


def test_categories_are_numbered_in_the_order_of_their_ids(tmp_path: Path) -> None:
    """They stand the other way round in the file, and their ids are 3 and 7."""
    found = _read(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert found.info.class_names == found.class_names


def test_what_a_picture_does_not_fill_has_the_mean_colour(tmp_path: Path) -> None:
    found = _read(tmp_path)
    mean = np.array([124, 116, 104])[:, None]
    assert (found.images[0, :, 24:].reshape(3, -1) == mean).all()
    assert (found.images[1, :, :, 16:].reshape(3, -1) == mean).all()
    expected = np.asarray(shades(64, 48).resize((32, 24), Image.Resampling.BILINEAR))
    assert np.array_equal(found.images[0, :, :24], expected.transpose(2, 0, 1))


def test_pictures_are_never_enlarged(tmp_path: Path) -> None:
    found = _read(tmp_path, size=128)
    assert found.scales.tolist() == [1, 1, 1]
    assert found.fitted.tolist() == [[48, 64], [64, 32], [40, 40]]
    assert _boxes(found, 0)[0][1:5] == [4, 6, 24, 36]
    expected = np.asarray(shades(64, 48)).transpose(2, 0, 1)
    assert np.array_equal(found.images[0, :, :48, :64], expected)
    (said,) = found.info.remarks
    assert "no picture has a side of more than 64 pixels" in said
    assert "data.size: 64 shows as much as 128" in said


@pytest.mark.parametrize("sides", [(100, 33), (33, 100), (97, 96), (1000, 3), (31, 7)])
def test_pictures_of_any_shape_are_shrunk_by_one_number(
    tmp_path: Path, sides: tuple[int, int]
) -> None:
    """A box of the whole picture is what is shown of it; what is cut off is less than a pixel."""
    write_pictures(tmp_path, {"a.png": (sides, [])})
    width, height = sides
    content = _of_boxes([0, 0, width, height])
    content["images"] = [{"id": 0, "file_name": "a.png"}]
    file = tmp_path / "a.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    found = coco(str(tmp_path), str(file), SIZE)
    (box,) = _boxes(found, 0)
    scale = min(SIZE / max(sides), 1)
    assert found.scales[0] == pytest.approx(scale)
    for shown, whole, side in zip(found.fitted[0][::-1], sides, box[3:5], strict=True):
        assert side == pytest.approx(min(shown, whole * scale))
        assert shown <= SIZE
        assert shown == 1 or whole * scale - 1 < shown <= whole * scale + 1e-5


def test_crowds_are_kept_as_crowds(tmp_path: Path) -> None:
    content = _changed(lambda c: c["annotations"][1].update(iscrowd=1))
    found = _read(tmp_path, content)
    assert found.boxes[0, :, CROWD].tolist() == [0, 1]


def test_sizes_of_boxes_are_those_of_the_original_pixels(tmp_path: Path) -> None:
    content = as_coco({"a.png": ((400, 400), [("cat", 0, 0, 31, 32), ("cat", 0, 0, 33, 32),
                                              ("dog", 0, 0, 97, 96)])})  # fmt: skip
    write_pictures(tmp_path, {"a.png": ((400, 400), [])})
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    found = coco(str(tmp_path), str(tmp_path / "a.json"), SIZE)
    facts = inspect(found, {"train": np.arange(1)}).facts
    assert (facts["small"], facts["medium"], facts["large"]) == (1, 1, 1)


def test_ids_may_be_texts(tmp_path: Path) -> None:
    def texts(content: dict[str, Any]) -> None:
        for image in content["images"]:
            image["id"] = f"i{image['id']}"
        for annotation in content["annotations"]:
            annotation["image_id"] = f"i{annotation['image_id']}"

    assert np.array_equal(_read(tmp_path, _changed(texts)).boxes, _read(tmp_path).boxes)


def test_pictures_in_folders_and_written_otherwise_are_found(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"in/d.png": ((64, 48), [])})
    content = _changed(lambda c: c["images"][0].update(file_name="./in/../in/d.png"))
    assert _read(tmp_path, content).names[0] == "in/d.png"


# What is told


def test_boxes_partly_outside_are_clipped_and_counted(tmp_path: Path) -> None:
    content = _of_boxes([-4, -6, 20, 20], [50, 40, 100, 100], [10, 10, 20, 20])
    found = _read(tmp_path, content)
    assert [box[1:5] for box in _boxes(found, 0)] == [
        [0, 0, 8, 7], [25, 20, 32, 24], [5, 5, 15, 15]
    ]  # fmt: skip
    assert found.info.remarks == (
        f"{tmp_path / 'instances.json'}: clipped 2 boxes to the picture, the first of them in "
        "a.png",
    )


def test_empty_boxes_and_those_outside_are_left_out_and_counted(tmp_path: Path) -> None:
    content = _of_boxes(
        [10, 10, 0, 5], [10, 10, 5, -3], [64, 0, 9, 9], [-20, 0, 20, 9], [1, 1, 5, 5]
    )
    found = _read(tmp_path, content)
    assert len(_boxes(found, 0)) == 1
    said = " ".join(found.info.remarks)
    assert "left out 2 boxes without width or height, the first of them in a.png" in said
    assert "left out 2 boxes outside the picture, the first of them in a.png" in said


def test_files_that_nothing_is_said_of_are_told(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"in/x.png": ((8, 8), []), "z.png": ((8, 8), [])})
    (tmp_path / "pictures" / "notes.txt").write_text("", encoding="utf-8")
    assert _read(tmp_path).info.remarks == (
        f"{tmp_path / 'pictures'}: left out 2 pictures of which annotations say nothing, the "
        "first of them in/x.png",
    )


@pytest.mark.parametrize(
    ("mode", "suffix"), [("L", "png"), ("CMYK", "tif"), ("P", "png"), ("RGBA", "png")]
)
def test_pictures_of_other_modes_become_colours(tmp_path: Path, mode: str, suffix: str) -> None:
    picture = Image.new(mode, (40, 40), 90 if mode in "LP" else (10, 20, 30, 255))
    (tmp_path / "pictures").mkdir()
    picture.save(tmp_path / "pictures" / f"other.{suffix}")
    content = _changed(lambda c: c["images"][2].update(file_name=f"other.{suffix}"))
    shown = _read(tmp_path, content).images[2, :, 0, 0]
    assert shown.tolist() == list(picture.convert("RGB").getpixel((0, 0)))


def test_pictures_of_16_bits_are_scaled_so_that_65535_is_white(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    content = _changed(lambda c: c["images"][2].update(file_name="deep.png"))
    Image.fromarray(np.full((40, 40), 25700, np.uint16)).save(tmp_path / "pictures/deep.png")
    found = _read(tmp_path, content)
    assert (found.images[2] == 100).all()
    assert "1 image of 16 bits" in " ".join(found.info.remarks)


def _turned(folder: Path, width: int, height: int) -> None:
    """A photograph that is stored so, and shown on its side."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    folder.mkdir(exist_ok=True)
    shades(width, height).save(folder / "t.jpg", exif=exif)


def test_turned_photographs_are_read_as_they_are_shown(tmp_path: Path) -> None:
    _turned(tmp_path / "pictures", 48, 64)
    content = _changed(lambda c: c["images"][0].update(file_name="t.jpg"))
    found = _read(tmp_path, content)
    assert found.fitted[0].tolist() == [24, 32]
    assert "turned 1 picture as EXIF says and as viewers do" in " ".join(found.info.remarks)


def test_boxes_on_a_photograph_as_it_is_stored_are_refused(tmp_path: Path) -> None:
    _turned(tmp_path / "pictures", 64, 48)
    said = _refused(tmp_path, _changed(lambda c: c["images"][0].update(file_name="t.jpg")))
    assert f"{tmp_path / 'pictures' / 't.jpg'}: is 48 x 64 (width x height) pixels" in said
    assert "says 64 x 48 (width x height), as it is stored before its EXIF orientation" in said
    assert "take the orientation out of the file" in said


# The official test part


def _with_test(tmp_path: Path, content: object = None, folder: str = "test") -> Pictures:
    train = write_coco(tmp_path / "pictures")
    write_pictures(tmp_path / folder)
    test = tmp_path / "test.json"
    test.write_text(json.dumps(as_coco() if content is None else content), encoding="utf-8")
    return coco(str(tmp_path / "pictures"), str(train), SIZE, str(tmp_path / folder), str(test))


def test_the_test_part_comes_last(tmp_path: Path) -> None:
    found = _with_test(tmp_path)
    assert len(found) == 6
    assert found.official_test == 3
    assert np.array_equal(found.boxes[:3], found.boxes[3:])


def test_a_spec_can_ask_for_the_official_test_part(tmp_path: Path) -> None:
    _with_test(tmp_path)
    options = {
        "path": str(tmp_path / "pictures"), "annotations": str(tmp_path / "instances.json"),
        "test_path": str(tmp_path / "test"), "test_annotations": str(tmp_path / "test.json"),
        "size": 64,
    }  # fmt: skip
    spec = spec_of("coco", options, OFFICIAL, task="detection")
    dataset = load_dataset(spec)
    assert isinstance(dataset, Pictures)
    assert dataset.shape == input_shape(spec) == (3, 64, 64)


def test_both_parts_may_be_in_one_folder(tmp_path: Path) -> None:
    content = as_coco()
    train, test = dict(content), dict(content)
    train["images"], test["images"] = content["images"][:1], content["images"][1:]
    train["annotations"], test["annotations"] = content["annotations"][:2], []
    file = write_coco(tmp_path / "pictures", train)
    other = write_coco(tmp_path / "pictures", test, "test.json")
    found = coco(str(tmp_path / "pictures"), str(file), SIZE, test_annotations=str(other))
    assert (len(found), found.official_test) == (3, 2)
    assert found.info.remarks == ()


def test_a_picture_in_both_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"3 pictures of the test part are in .*instances\.json to"):
        _with_test(tmp_path, folder="pictures")


def test_a_test_part_of_other_categories_is_refused(tmp_path: Path) -> None:
    content = _changed(lambda c: c["categories"][0].update(name="wolf"))
    with pytest.raises(DataError, match=r"test\.json: its categories are 3: cat, 7: wolf \(2 cat"):
        _with_test(tmp_path, content)


def test_a_test_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "pictures")
    with pytest.raises(DataError, match=r"data\.test_path: has no data\.test_annotations"):
        coco(str(tmp_path / "pictures"), str(file), SIZE, test_path=str(tmp_path))


# What is refused


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "image unknown": (
        lambda c: c["annotations"][1].update(image_id=9),
        "annotations[1] (id 1): there is no image of the id 9",
    ),
    "category unknown": (
        lambda c: c["annotations"][0].update(category_id=4),
        "annotations[0] (id 0): there is no category of the id 4",
    ),
    "nan": (
        lambda c: c["annotations"][0].update(bbox=[0, 0, float("nan"), 3]),
        "annotations[0] (id 0): its bbox is [0, 0, nan, 3], no four finite numbers",
    ),
    "infinite": (
        lambda c: c["annotations"][0].update(bbox=[0, 0, 10**400, 3]),
        "no four finite numbers",
    ),
    "three numbers": (
        lambda c: c["annotations"][0].update(bbox=[0, 0, 3]),
        "its bbox is [0, 0, 3], no four finite numbers",
    ),
    "words": (lambda c: c["annotations"][0].update(bbox=[0, 0, "3", 3]), "no four finite"),
    "crowd": (
        lambda c: c["annotations"][2].update(iscrowd=2),
        "annotations[2] (id 2): its iscrowd is 2",
    ),
    "image twice": (
        lambda c: c["images"][1].update(id=0),
        "images[1] (id 0): the id is that of an earlier image",
    ),
    "file twice": (
        lambda c: c["images"][1].update(file_name="./a.png"),
        "instances.json: has the picture a.png twice",
    ),
    "file missing": (
        lambda c: [image.update(file_name=f"no{image['id']}.png") for image in c["images"][1:]],
        "names 2 pictures that",
    ),
    "outside": (
        lambda c: c["images"][0].update(file_name="../a.png"),
        "images[0] (id 0): names the picture '../a.png', which is not in the folder",
    ),
    "absolute": (
        lambda c: c["images"][0].update(file_name="/etc/passwd"),
        "names the picture '/etc/passwd', which is not in the folder",
    ),
    "winding": (
        lambda c: c["images"][0].update(file_name="in/../../a.png"),
        "which is not in the folder",
    ),
    "no name": (lambda c: c["images"][0].pop("file_name"), "its file_name is None, no text"),
    "another size": (
        lambda c: c["images"][0].update(width=50),
        "a.png: is 64 x 48 (width x height) pixels, and",
    ),
    "no size": (
        lambda c: c["images"][0].update(width=-1),
        "its width and height are -1 and 48, no whole numbers above 0",
    ),
    "id of no kind": (lambda c: c["images"][0].update(id=1.5), "its id is 1.5, no whole number"),
    "category twice": (
        lambda c: c["categories"][1].update(name="dog"),
        "categories[1] (id 3): its id, or its name 'dog', is that of an earlier category",
    ),
    "nameless": (lambda c: c["categories"][1].pop("name"), "categories[1] (id 3): has no name"),
    "no categories": (lambda c: c.pop("categories"), "has no 'categories'; give a file of inst"),
    "no category": (lambda c: c["categories"].clear(), "has no category"),
    "no images": (lambda c: c.update(images=[], annotations=[]), "names no picture"),
    "images of no kind": (lambda c: c.update(images=[3]), "'images' is no list of objects"),
    "no annotations": (lambda c: c.pop("annotations"), "has no 'annotations'"),
    "panoptic": (
        lambda c: c.update(annotations=[{"image_id": 0, "category_id": 3, "segments_info": []}]),
        "annotations[0]: has no bbox; this is panoptic segmentation; give a file of instances",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    change, words = REFUSED[case]
    said = _refused(tmp_path, _changed(change))
    assert words in said
    assert str(tmp_path) in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"images": [', "cannot be read as JSON: "),
        (b"\xff\xfe\x00\xd8", "cannot be read as JSON: "),
        (b"[" * 200_000, "cannot be read as JSON: "),
        (b'[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', "is one list, as results"),
        (b"3", "is no object of JSON"),
    ],
)
def test_files_that_are_no_annotations_are_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    file = write_coco(tmp_path / "pictures")
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        coco(str(tmp_path / "pictures"), str(file), SIZE)
    assert str(caught.value).startswith(f"{file}: {words}")


def test_a_file_that_is_too_large_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_coco(tmp_path / "pictures")
    os.truncate(file, 3 * 2**20)
    monkeypatch.setattr(coco_module, "LARGEST", 2**20)
    with pytest.raises(DataError, match=r"GiB, and at most .* are read; leave out what is not"):
        coco(str(tmp_path / "pictures"), str(file), SIZE)


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "pictures")
    broken = tmp_path / "pictures" / "b.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(DataError, match=r"b\.png: cannot be read as an image: .* replace or rem"):
        coco(str(tmp_path / "pictures"), str(file), SIZE)


def test_what_does_not_fit_into_memory_is_refused_with_both_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_coco(tmp_path / "pictures")
    monkeypatch.setattr(fitted, "MOST_OF_MEMORY", 1e-9)
    with pytest.raises(DataError, match=r"data\.size: 3 pictures of 32 x 32 pixels take 0\.0 GiB,"):
        coco(str(tmp_path / "pictures"), str(file), SIZE)


def test_folders_and_files_that_are_not_there_are_missed(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "pictures")
    options: dict[str, Any] = {"path": str(tmp_path / "no"), "annotations": str(file)}
    said = missing(spec_of("coco", options, task="detection"))
    assert said == (
        f"coco: there is no folder {tmp_path / 'no'}; put it there or correct data.path"
    )
    options = {"path": str(tmp_path), "annotations": str(file), "test_annotations": "no.json"}
    said = missing(spec_of("coco", options, task="detection"))
    assert said == "coco: there is no file no.json; put it there or correct data.test_annotations"
    del options["test_annotations"]
    assert missing(spec_of("coco", options, task="detection")) is None


def test_boxes_keep_their_class_and_columns(tmp_path: Path) -> None:
    found = _read(tmp_path)
    assert found.boxes[..., CLASS][is_there(found.boxes)].tolist() == [0, 1, 1]
    assert found.boxes[..., BOX].dtype == np.float32

"""Pictures whose boxes XML files have: what is read, what is told, what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainers.detection.files import (
    PICTURES,
    as_voc,
    shades,
    write_coco,
    write_pictures,
    write_voc,
)
from tests.trainers.specimens import spec_of
from trainers.data.errors import DataError
from trainers.data.pictures import ORIENTATION
from trainers.detection.data import voc as voc_module
from trainers.detection.data.coco import coco
from trainers.detection.data.dataset import BOX, CROWD, Pictures
from trainers.detection.data.voc import voc
from trainers.detection.places import IGNORED, NOTHING, assigned, grid
from trainers.loading import missing

SIZE = 32
ONE = as_voc("a.png")
BOMB = (
    '<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;&x;&x;&x;&x;&x;&x;">]>'
    "<annotation><filename>&y;</filename></annotation>"
)
OTHER_FILE = (
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    "<annotation><filename>&x;</filename></annotation>"
)


def _beside(folder: Path, *contents: str) -> Path:
    """XML files beside the pictures."""
    write_pictures(folder)
    for number, content in enumerate(contents):
        (folder / f"{number}.xml").write_text(content, encoding="utf-8")
    return folder


def _read(folder: Path, **options: Any) -> Pictures:
    return voc(str(folder), SIZE, **options)


def test_both_forms_of_annotations_say_the_same(tmp_path: Path) -> None:
    """Pixels from 1 with the last included are COCO's from 0 without it."""
    write_voc(tmp_path / "voc")
    file = write_coco(tmp_path / "pictures")
    found, other = _read(tmp_path / "voc"), coco(str(tmp_path / "pictures"), str(file), SIZE)
    for name in ("images", "boxes", "scales", "fitted"):
        assert np.array_equal(getattr(found, name), getattr(other, name))
    assert found.class_names == other.class_names == ("cat", "dog")
    assert found.names == other.names == ("a.png", "b.png", "c.png")
    assert found.limits == other.limits == (32**2, 96**2)
    assert found.info.remarks == ()


def test_a_box_of_one_pixel_is_one_wide(tmp_path: Path) -> None:
    text = as_voc("a.png", ((64, 48), [("cat", 10, 20, 11, 21)]))
    assert "<xmin>11</xmin><ymin>21</ymin><xmax>11</xmax><ymax>21</ymax>" in text
    found = voc(str(_beside(tmp_path, text)), 64)
    assert found.boxes[0, 0, BOX].tolist() == [10, 20, 11, 21]


def test_files_beside_their_pictures_are_read_from_folders_too(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        _beside(tmp_path / folder, ONE)
    found = _read(tmp_path)
    assert found.names == ("x/a.png", "y/a.png")
    assert (
        "left out 4 pictures of which annotations say nothing, the first of them x/b.png"
        in (found.info.remarks[0])
    )


def test_difficult_objects_are_neither_required_nor_wrong(tmp_path: Path) -> None:
    text = ONE.replace("<difficult>0", "<difficult>1", 1)
    found = voc(str(_beside(tmp_path, text)), 64)
    assert found.boxes[0, :, CROWD].tolist() == [1, 0]
    of = grid(64, 64, torch.device("cpu"), torch.float32)
    told = assigned(torch.as_tensor(found.boxes)[None], of)[0, 0]
    left, top, right, bottom = found.boxes[0, 0, BOX]
    x, y = of.middle.unbind(1)
    inside = (x > left) & (x < right) & (y > top) & (y < bottom)
    assert (told[inside] == IGNORED).all()
    assert set(told[~inside].tolist()) == {NOTHING, 1}


def test_parts_of_an_object_are_no_objects(tmp_path: Path) -> None:
    part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part></object>"
    found = _read(_beside(tmp_path, ONE.replace("</object>", part)))
    assert found.class_names == ("cat", "dog")
    assert len(found.boxes[0]) == 2


def test_the_test_part_comes_last_and_has_no_class_of_its_own(tmp_path: Path) -> None:
    write_voc(tmp_path / "train")
    write_voc(tmp_path / "test", {"b.png": PICTURES["b.png"]})
    found = _read(tmp_path / "train", test_path=str(tmp_path / "test"))
    assert (len(found), found.official_test) == (4, 1)
    assert np.array_equal(found.boxes[1], found.boxes[3])
    write_voc(tmp_path / "other", {"b.png": ((64, 32), [("wolf", 0, 0, 5, 5)])})
    with pytest.raises(DataError, match=r"other: has objects of wolf, of which .*train has none"):
        _read(tmp_path / "train", test_path=str(tmp_path / "other"))


def test_sides_of_zero_are_none(tmp_path: Path) -> None:
    """Some programs write them."""
    text = ONE.replace("<width>64", "<width>0").replace("<height>48", "<height>0")
    assert _read(_beside(tmp_path, text)).fitted.tolist() == [[24, 32]]


def test_boxes_that_reach_beyond_or_are_empty_are_told(tmp_path: Path) -> None:
    told = [
        ("cat", -3.0, 1.0, 9.0, 9.0),
        ("cat", 5.0, 5.0, 5.0, 9.0),
        ("dog", 70.0, 1.0, 80.0, 9.0),
    ]
    found = _read(_beside(tmp_path, as_voc("a.png", ((64, 48), told))))
    assert len(found.boxes[0]) == 1
    said = " ".join(found.info.remarks)
    assert f"{tmp_path}: clipped 1 box to the picture, in a.png" in said
    assert "left out 1 box without width or height, in a.png" in said
    assert "left out 1 box outside the picture, in a.png" in said


def test_boxes_on_a_photograph_as_it_is_stored_are_refused(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    shades(64, 48).save(tmp_path / "t.jpg", exif=exif)
    (tmp_path / "t.xml").write_text(as_voc("t.jpg"), encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.jpg: is 48 x 64 .* before its EXIF orientation turns"):
        _read(tmp_path)


NOT_IN_FOLDER = "which is not in the folder of pictures"
NO_XML = "0.xml: cannot be read as XML: "
# By the case what is replaced in a file, by what, and words of the message.
REFUSED = {
    "nan": ("<xmax>24", "<xmax>nan", "object 0 (counted from 0) has the xmax 'nan', no finite"),
    "word": ("<ymin>11", "<ymin>top", "object 1 (counted from 0) has the ymin 'top', no finite"),
    "no side": ("<ymax>36</ymax>", "", "has the ymax None, no finite number; correct it"),
    "no box": ("bndbox", "polygon", "object 0 (counted from 0) has no bndbox; give it one"),
    "no name": ("<name>cat</name>", "", "object 0 (counted from 0) has no name; give it one"),
    "difficult": ("<difficult>0", "<difficult>no", "is difficult: 'no', which has to be 0 or 1"),
    "no file": ("a.png", " ", f"names the picture '', {NOT_IN_FOLDER}"),
    "outside": ("a.png", "../a.png", f"names the picture '../a.png', {NOT_IN_FOLDER}"),
    "absolute": ("a.png", "/etc/a.png", f"names the picture '/etc/a.png', {NOT_IN_FOLDER}"),
    "missing": ("a.png", "z.png", "names 1 picture that"),
    "size": ("<width>64", "<width>65", "says 65 x 48 (width x height): boxes would lie wrong"),
    "side": ("<width>64", "<width>0", "its width and height are 0 and 48, no whole numbers"),
    "another": ("annotation", "svg", "0.xml: is <svg> and no <annotation> of Pascal VOC"),
    "broken": ("</annotation>", "", NO_XML),
    "entities": (ONE, BOMB, f"{NO_XML}it has a DOCTYPE"),
    "other files": (ONE, OTHER_FILE, f"{NO_XML}it has a DOCTYPE"),
    "encoding": ("<annotation>", '<?xml version="1.0" encoding="no"?><annotation>', NO_XML),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, case: str) -> None:
    old, new, words = REFUSED[case]
    assert old in ONE
    with pytest.raises(DataError) as caught:
        _read(_beside(tmp_path, ONE.replace(old, new)))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_picture_of_two_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the picture a\.png twice"):
        _read(_beside(tmp_path, ONE, ONE))


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voc_module, "LARGEST", 100)
    with pytest.raises(DataError, match=r"0\.xml: has \d+ bytes, more than 100"):
        _read(_beside(tmp_path, ONE))


def test_folders_that_are_not_there_are_missed(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    for path, words in (("no", "there is no folder"), ("", "has Annotations and no JPEGImages")):
        said = missing(spec_of("voc", {"path": str(tmp_path / path)}, task="detection"))
        assert said is not None
        assert words in said
    (tmp_path / "JPEGImages").mkdir()
    with pytest.raises(DataError, match="Annotations: holds no XML file"):
        _read(tmp_path)

"""Canvases: what is on them, and that no split shares a glyph with another."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainers.specimens import spec_of, write_idx
from trainers.data.errors import DataError
from trainers.data.fashion_files import CLASS_NAMES, TRAIN
from trainers.detection.data.canvases import GROUPS, SIDES, canvases
from trainers.detection.data.dataset import BOX, CLASS, Pictures, counts, is_there
from trainers.detection.entry import DETECTION
from trainers.fields import resolved
from trainers.loading import may_change, missing
from trainers.settings import DataSpec

# Of each class so many; a group has one glyph of each.
OF_CLASS = GROUPS
# The first bytes of the SHA-256 of images and boxes: results were computed from these canvases.
OF_DIGITS = "3bc934b99fb7ed66"


def _write_clothes(folder: Path) -> np.ndarray:
    """Upright bars, whose width is 1 more than their class; the labels."""
    labels = np.repeat(np.arange(10), OF_CLASS)
    pixels = np.zeros((len(labels), 28, 28), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, :, 9 : 10 + label] = 255
    write_idx(folder / TRAIN[0], pixels)
    write_idx(folder / TRAIN[1], labels)
    return labels


def _spec(**options: Any) -> DataSpec:
    return spec_of("canvases", options, task="detection")


def _loaded(**options: Any) -> Pictures:
    row = DETECTION.datasets["canvases"]
    found = row.load(**resolved(row.fields, options))
    assert isinstance(found, Pictures)
    return found


def test_canvases_of_digits_are_bit_for_bit_what_they_were() -> None:
    found = canvases("digits", 40, 64, 3)
    content = found.images.tobytes() + found.boxes.tobytes()
    assert hashlib.sha256(content).hexdigest()[:16] == OF_DIGITS


def test_clothes_are_pasted_at_the_drawn_sides(tmp_path: Path) -> None:
    _write_clothes(tmp_path)
    found = _loaded(glyphs="clothes", canvases=80, folder=str(tmp_path))
    assert found.class_names == CLASS_NAMES
    assert found.images.shape == (80, 1, 64, 64)
    boxes = found.boxes[is_there(found.boxes)]
    heights, widths = boxes[:, 4] - boxes[:, 2], boxes[:, 3] - boxes[:, 1]
    # A bar is as high as its glyph, and its class + 1 of 28 parts of that wide.
    assert heights.min() == SIDES[0]
    assert heights.max() == SIDES[1]
    assert np.abs(widths - heights * (boxes[:, CLASS] + 1) / 28).max() < 2


def test_boxes_are_where_the_canvas_is_brighter(tmp_path: Path) -> None:
    _write_clothes(tmp_path)
    found = _loaded(glyphs="clothes", canvases=40, folder=str(tmp_path))
    for image, own in zip(found.images[:, 0], found.boxes, strict=True):
        for row in own[is_there(own)]:
            left, top, right, bottom = row[BOX].astype(int)
            assert image[top:bottom, left:right].mean() > np.median(image) + 25


def test_every_group_of_clothes_has_every_class(tmp_path: Path) -> None:
    """As many of each class are dealt in a period that the number of groups has as a multiple."""
    _write_clothes(tmp_path)
    found = _loaded(glyphs="clothes", canvases=400, folder=str(tmp_path))
    assert found.groups is not None
    for group in range(GROUPS):
        own = found.boxes[found.groups == group]
        assert len(np.unique(own[is_there(own)][:, CLASS])) > 5


def test_glyphs_of_two_groups_have_none_in_common(tmp_path: Path) -> None:
    """With one glyph for each of the groups, all boxes of a group have its class."""
    labels = np.repeat(np.arange(10), 2)
    pixels = np.zeros((len(labels), 28, 28), np.uint8)
    pixels[np.arange(20), np.arange(20)] = 255
    write_idx(tmp_path / TRAIN[0], pixels)
    write_idx(tmp_path / TRAIN[1], labels)
    found = _loaded(glyphs="clothes", canvases=200, folder=str(tmp_path))
    assert found.groups is not None
    for group in range(GROUPS):
        own = found.boxes[found.groups == group]
        assert len(np.unique(own[is_there(own)][:, CLASS])) == 1


def test_canvases_have_boxes_that_do_not_overlap_and_are_inside() -> None:
    found = _loaded(canvases=200, most=6)
    assert found.problem(_spec()) is None
    assert counts(found.boxes).max() == 6
    for own in found.boxes:
        boxes = own[is_there(own)][:, BOX]
        for i, one in enumerate(boxes):
            for other in boxes[i + 1 :]:
                apart = (one[:2] >= other[2:]).any() or (other[:2] >= one[2:]).any()
                assert apart


def test_canvases_are_as_many_in_every_group() -> None:
    found = _loaded(canvases=60)
    assert (np.bincount(found.strata) == 3).all()
    with pytest.raises(DataError, match=r"data\.canvases: 50 cannot be dealt .* multiple of 20"):
        _loaded(canvases=50)


def test_folder_of_clothes_is_no_option_of_digits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.folder: .* is of glyphs: clothes alone"):
        _loaded(folder=str(tmp_path))


def test_clothes_that_are_not_there_are_missed_with_what_brings_them(tmp_path: Path) -> None:
    said = missing(_spec(glyphs="clothes", folder=str(tmp_path)))
    assert said is not None
    assert f"no {', '.join(TRAIN)} in {tmp_path}; almkd fetch fashion_mnist" in said
    assert missing(_spec()) is None
    with pytest.raises(DataError, match="almkd fetch fashion_mnist"):
        _loaded(glyphs="clothes", folder=str(tmp_path))


def test_clothes_alone_come_from_files_that_may_change() -> None:
    assert may_change(_spec(glyphs="clothes"))
    assert not may_change(_spec())

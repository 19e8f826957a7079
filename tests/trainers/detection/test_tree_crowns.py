"""Tiles of aerial photographs, from files made up here of the published sizes."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sweep.fetching.fetch import Fetch
from tests.trainers.detection.files import shades, write_tree_crowns
from trainers.data.errors import DataError
from trainers.detection.data.dataset import BOX, CROWD, Pictures, counts
from trainers.detection.data.tree_crowns import (
    FILES,
    PHOTOGRAPHS,
    PUBLISHED,
    in_tile,
    missing_tree_crowns,
    tiles,
    tree_crowns,
)
from trainers.detection.entry import DETECTION

FIRST = PHOTOGRAPHS[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("published")
    write_tree_crowns(made)
    return made


@pytest.fixture(scope="module")
def found(folder: Path) -> Pictures:
    return tree_crowns(128, str(folder))


def _row(*box: float) -> np.ndarray:
    return np.array([[0, *box, 0]], np.float64)


@pytest.mark.parametrize(
    ("box", "left", "expected"),
    [
        ((10, 20, 30, 40), 0, [[0, 10, 20, 30, 40, 0]]),
        # By three quarters in the first of two tiles, and by one in the second.
        ((70, 0, 110, 10), 0, [[0, 70, 0, 100, 10, 0]]),
        ((70, 0, 110, 10), 100, [[0, 0, 0, 10, 10, 1]]),
        # By half in both.
        ((80, 0, 120, 10), 0, [[0, 80, 0, 100, 10, 0]]),
        ((80, 0, 120, 10), 100, [[0, 0, 0, 20, 10, 0]]),
        # It ends where the tile begins.
        ((80, 0, 100, 10), 100, []),
        ((10, 110, 30, 140), 0, []),
    ],
)
def test_a_box_is_of_tiles_that_half_of_it_is_in(
    box: tuple[float, ...], left: int, expected: list[list[float]]
) -> None:
    assert in_tile(_row(*box), left, 0, 100).tolist() == expected


def test_tiles_are_cut_from_the_left_upper_corner_and_share_no_pixel(found: Pictures) -> None:
    """Every column of a photograph has a shade of red of its own, every row one of green."""
    picture = np.asarray(shades(FIRST.width, FIRST.height)).transpose(2, 0, 1)
    for place, image in enumerate(found.images[:9]):
        top, left = 128 * (place // 3), 128 * (place % 3)
        assert found.names[place] == f"OSBS_029 from ({left}, {top})"
        assert np.array_equal(image, picture[:, top : top + 128, left : left + 128])
    assert found.names[9] == "SOAP_061 from (0, 0)"


def test_there_are_as_many_tiles_as_the_row_says(found: Pictures) -> None:
    row = DETECTION.datasets["tree_crowns"]
    told = row.counts(tile=128)
    assert told is not None
    assert len(found) == tiles(128) == told[0] == 413
    assert found.shape == row.shape(tile=128)
    assert found.class_names == ("tree",)
    assert (found.fitted == 128).all()
    assert (found.scales == 1).all()


def test_boxes_are_counted_from_zero_in_pixels_of_the_tile(found: Pictures) -> None:
    """The fourth box is 120 to 140 pixels from the left: 8 of 20 are in the first tile, and 12 in
    the second. Of those from 120 pixels from the top 8 of 30 are there."""
    first, second = found.boxes[0], found.boxes[1]
    assert first[0, BOX].tolist() == [0, 0, 20, 30]
    assert first[3].tolist() == [0, 120, 0, 128, 30, 1]
    assert second[0].tolist() == [0, 0, 0, 12, 30, 0]
    # Three at the right, and four at the bottom.
    assert (first[:, CROWD] == 1).sum() == 7


def test_what_no_tile_has_half_of_is_told(found: Pictures, folder: Path) -> None:
    (said,) = found.info.remarks
    kept = counts(found.boxes).sum()
    assert said == f"{folder}: of 951 boxes {kept} are by half or more in a tile of 128 pixels"


def test_only_the_published_files_are_read(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DataError, match="almkd fetch tree_crowns"):
        tree_crowns(128, str(tmp_path))
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert missing_tree_crowns(str(tmp_path)) is None
    shades(400, 399).save(tmp_path / FIRST.file)
    with pytest.raises(DataError, match=r"OSBS_029\.tif: is not the published file; fetch it ag"):
        tree_crowns(128, str(tmp_path))
    file = tmp_path / FIRST.annotations
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("object", "thing"), encoding="utf-8")
    with pytest.raises(DataError, match=r"OSBS_029\.xml: is not the published file"):
        tree_crowns(128, str(tmp_path))


def test_it_is_fetched_out_of_a_wheel(tmp_path: Path, folder: Path) -> None:
    wheel = tmp_path / "deepforest-2.1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in FILES:
            archive.write(folder / name, f"deepforest/data/{name}")
    place = tmp_path / "place"
    Fetch(PUBLISHED, place, lambda line: None, lambda *progress: None).from_files([wheel])
    assert missing_tree_crowns(str(place)) is None
    assert PUBLISHED.files == FILES

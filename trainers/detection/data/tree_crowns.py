"""Tree crowns in aerial photographs, from the files that DeepForest carries.

Four photographs of forests in the United States by NEON, a tenth of a metre a pixel, with a box
around every crown. They are cut into square tiles that do not overlap, from the left upper corner;
what is left at the right and at the bottom is no tile. So no pixel is in two splits, though tiles
of all splits are of the same four places.

A box is one of a tile in which at least half of it is, clipped to that; what is in a tile of a
crown that is less than half there is a crowd, neither required nor wrong.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError
from trainers.data.files import holding, not_found, places
from trainers.data.pictures import Wanted, read_each
from trainers.data.sources import Published, Wheel
from trainers.data.standard import Standard
from trainers.detection.data.dataset import BOX, CROWD, Pictures, counts, padded
from trainers.detection.data.voc import read_file

NAME = FOLDER = "tree_crowns"
CLASS_NAMES = ("tree",)
# Of a box, the share that has to be in a tile.
ENOUGH = 0.5
# About the terciles of the areas of boxes in tiles of 128 pixels.
LIMITS = (30.0**2, 42.0**2)
# Of all tiles.
STANDARD = Standard(mean=(0.519, 0.573, 0.479), std=(0.232, 0.214, 0.156))


class Photograph(NamedTuple):
    """Its file, beside an XML file of the same name, height and width, and how many boxes it
    has."""

    file: str
    height: int
    width: int
    boxes: int

    @property
    def annotations(self) -> str:
        """The XML file."""
        return str(Path(self.file).with_suffix(".xml"))


PHOTOGRAPHS = (
    Photograph("OSBS_029.tif", 400, 400, 61),
    Photograph("SOAP_061.png", 400, 400, 37),
    Photograph("2019_YELL_2_541000_4977000_image_crop.png", 1035, 1249, 279),
    Photograph("2019_YELL_2_528000_4978000_image_crop2.png", 2472, 2299, 574),
)
FILES = tuple(name for of in PHOTOGRAPHS for name in (of.file, of.annotations))
PUBLISHED = Published(
    folder=FOLDER,
    licence="MIT, Ben Weinstein",
    terms="https://github.com/weecology/DeepForest/blob/main/LICENSE",
    sources=(Wheel("deepforest==2.1.0", {name: f"deepforest/data/{name}" for name in FILES}),),
)


def tree_crowns(tile: int, folder: str | None = None) -> Pictures:
    """Tiles of ``tile`` pixels, photograph by photograph, row by row; DataError where a file is not
    there or another."""
    found = holding(FILES, places(folder, FOLDER))
    if found is None:
        raise DataError(missing_tree_crowns(folder) or "")
    files = [found / of.file for of in PHOTOGRAPHS]
    whole = read_each(files, lambda height, width: Wanted(height, width, (height, width)))
    images: list[NDArray[np.uint8]] = []
    boxes: list[NDArray[np.float32]] = []
    names: list[str] = []
    for of, picture in zip(PHOTOGRAPHS, whole, strict=True):
        told = _boxes(found, of)
        if picture.file.size != (of.height, of.width):
            raise DataError(_another(found / of.file))
        for top in range(0, of.height - tile + 1, tile):
            for left in range(0, of.width - tile + 1, tile):
                cut = picture.pixels[:, top : top + tile, left : left + tile]
                images.append(cut.astype(np.uint8))
                boxes.append(in_tile(told, left, top, tile))
                names.append(f"{Path(of.file).stem} from ({left}, {top})")
    together = padded(boxes)
    remark = (
        f"{found}: of {sum(of.boxes for of in PHOTOGRAPHS)} boxes {counts(together).sum()} are by "
        f"half or more in a tile of {tile} pixels"
    )
    return Pictures(
        np.stack(images), together, CLASS_NAMES, limits=LIMITS,
        scales=np.ones(len(images), np.float32), fitted=np.full((len(images), 2), tile),
        names=tuple(names), info=DatasetInfo((remark,), CLASS_NAMES, standard=STANDARD),
    )  # fmt: skip


def missing_tree_crowns(folder: str | None = None, **options: object) -> str | None:
    """What to fetch and where to put it, or None if it is there."""
    folders = places(folder, FOLDER)
    return None if holding(FILES, folders) else not_found(FILES, folders, NAME)


def tiles(tile: int) -> int:
    """How many there are."""
    return sum((of.height // tile) * (of.width // tile) for of in PHOTOGRAPHS)


def in_tile(boxes: NDArray[np.float64], left: int, top: int, tile: int) -> NDArray[np.float32]:
    """Those of the boxes (n, 6) of a photograph of which something is in a tile, (k, 6), in pixels
    of the tile and clipped to it; crowds where that is too little."""
    corner = np.array([left, top] * 2)
    inside = (boxes[:, BOX] - corner).clip(0, tile)
    area, left_of_it = (_area(own) for own in (boxes[:, BOX], inside))
    shown = boxes.astype(np.float32)
    shown[:, BOX] = inside
    shown[left_of_it < ENOUGH * area, CROWD] = 1
    return shown[left_of_it > 0]


def _area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = boxes[:, 2:] - boxes[:, :2]
    return sides[:, 0] * sides[:, 1]


def _boxes(folder: Path, of: Photograph) -> NDArray[np.float64]:
    """All of a photograph, whatever they are called."""
    file = folder / of.annotations
    told = read_file(file, Path())
    if told.name != of.file or len(told.boxes) != of.boxes:
        raise DataError(_another(file))
    return told.boxes


def _another(file: Path) -> str:
    return f"{file}: is not the published file; fetch it again"

"""From files of pictures and what annotations say of them to a data set.

Boxes are (left, top, right, bottom) in pixels of the pictures as viewers show them, as in
`trainers.detection.data.dataset`; n of them in a picture.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError, counted
from trainers.data.notes import Notes
from trainers.data.pictures import SUFFIXES, Losses, files_below
from trainers.data.standard import Standard
from trainers.detection.data.dataset import BOX, Pictures, padded
from trainers.detection.data.fitted import Fit, empty_squares, read_fitted

# Of ImageNet's training images, as is usual for photographs.
STANDARD = Standard(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
FILL = tuple(STANDARD.scale * mean for mean in STANDARD.mean)
# COCO's: below which area a box is small, and from which it is large.
LIMITS = (32.0**2, 96.0**2)
SIZE = "data.size"


class Annotated(NamedTuple):
    """A picture: its name relative to the folder, its height and width as annotations have them, if
    they do, and its boxes (n, 6), see `Boxes`."""

    name: str
    size: tuple[int, int] | None
    boxes: NDArray[np.float64]


class Part(NamedTuple):
    """The pictures of a folder that ``source``, a file or folder, says something of."""

    folder: Path
    source: Path
    pictures: Sequence[Annotated]

    @property
    def files(self) -> list[Path]:
        """Where they are."""
        return [self.folder / picture.name for picture in self.pictures]


def of_parts(parts: Sequence[Part], class_names: Sequence[str], side: int) -> Pictures:
    """The pictures of one part, or of two, of which the second is the official test part; fitted
    into squares of ``side`` pixels.

    Boxes are clipped to their pictures; those that are outside or empty are left out, as remarks
    say. DataError where a file is missing, cannot be read, is in both parts, or is of another size
    than annotations say.
    """
    for part in parts:
        _check_there(part)
    _check_apart(parts)
    images = empty_squares(sum(len(part.pictures) for part in parts), side, SIZE)
    fits: list[Fit] = []
    boxes: list[NDArray[np.float32]] = []
    remarks: list[str] = []
    for place, part in enumerate(parts):
        into = images[len(fits) : len(fits) + len(part.pictures)]
        found, own, odd = _read(part, into)
        fits += found
        boxes += own
        remarks += [*odd, *_not_named(place, parts)]
    remarks += _enlarged(parts[0].folder, fits, side)
    return Pictures(
        images, padded(boxes), tuple(class_names),
        scales=np.array([fit.scale for fit in fits], np.float32), limits=LIMITS,
        fitted=np.array([(fit.height, fit.width) for fit in fits], np.int64).reshape(-1, 2),
        names=tuple(picture.name for part in parts for picture in part.pictures),
        official_test=len(parts[1].pictures) if len(parts) > 1 else 0,
        info=DatasetInfo(tuple(remarks), tuple(class_names), standard=STANDARD),
    )  # fmt: skip


def check_unique(source: Path, names: Sequence[str]) -> None:
    """DataError where two of what annotations have are one file."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{source}: has the picture {name} twice; keep one of them")
        seen.add(name)


def check_inside(where: object, name: str, normal: str) -> None:
    """DataError where a name, once it is normal, leads out of the folder of pictures."""
    if normal == ".." or normal.startswith(("../", "/")) or not name.strip():
        raise DataError(
            f"{where}: names the picture {name!r}, which is not in the folder of pictures; write "
            "names relative to that folder"
        )


def _check_there(part: Part) -> None:
    # Not Path.is_file, which raises at names that are too long for a file.
    absent = [file for file in part.files if not os.path.isfile(file)]
    if absent:
        raise DataError(
            f"{part.source}: names {counted(len(absent), 'picture')} that {part.folder} lacks, the "
            f"first of them {absent[0].relative_to(part.folder)}; put them there, drop what is "
            "said of them, or correct the folder"
        )
    if not part.pictures:
        raise DataError(f"{part.source}: names no picture; name some")


def _check_apart(parts: Sequence[Part]) -> None:
    """That none is trained on and tested."""
    if len(parts) < 2:
        return
    train, test = ({file.resolve(): file for file in part.files} for part in parts)
    if both := [file for where, file in test.items() if where in train]:
        raise DataError(
            f"{parts[1].source}: {counted(len(both), 'picture')} of the test part "
            f"{'is' if len(both) == 1 else 'are'} in {parts[0].source} too, the first of them "
            f"{both[0]}; leave them out of one"
        )


def _read(
    part: Part, into: NDArray[np.uint8]
) -> tuple[list[Fit], list[NDArray[np.float32]], list[str]]:
    """What the pictures of a part are, their boxes (n, 6), in pixels as shown, and remarks."""
    losses, of_boxes, of_pictures = Losses(), Notes("box", "boxes"), Notes("picture")
    fits, boxes = [], []
    for picture, fit in zip(part.pictures, read_fitted(part.files, into, FILL), strict=True):
        _check_size(part, picture, fit)
        losses.add(fit.file)
        if fit.file.is_turned:
            of_pictures.add(
                "turned {} as EXIF says and as viewers do, where boxes should have been drawn",
                picture.name,
            )
        fits.append(fit)
        boxes.append(_shown(picture, fit, of_boxes))
    odd = [f"{part.folder}: {remark}" for remark in losses.told()]
    return fits, boxes, [*odd, *of_pictures.told(part.folder), *of_boxes.told(part.source)]


def _check_size(part: Part, picture: Annotated, fit: Fit) -> None:
    size, stored = fit.file.size, fit.file.stored
    if picture.size in (None, size):
        return
    assert picture.size is not None
    said = (
        f"{part.folder / picture.name}: is {_in_words(size)} pixels, and {part.source} says "
        f"{_in_words(picture.size)}"
    )
    if picture.size == stored:
        raise DataError(
            f"{said}, as it is stored before its EXIF orientation turns it: viewers show it "
            "turned, and boxes would lie wrong; take the orientation out of the file, or draw the "
            "boxes on what is shown"
        )
    raise DataError(
        f"{said}: boxes would lie wrong (an EXIF orientation may have turned it, too); put the "
        "picture there that was annotated, or correct its size"
    )


def _in_words(size: tuple[int, int]) -> str:
    height, width = size
    return f"{width} x {height} (width x height)"


def _shown(picture: Annotated, fit: Fit, notes: Notes) -> NDArray[np.float32]:
    """Its boxes clipped to the picture, in pixels as shown; ``notes`` are told of those that change
    or go."""
    boxes = picture.boxes
    sides = boxes[:, 3:5] - boxes[:, 1:3]
    is_empty = (sides <= 0).any(1)
    height, width = fit.file.size
    whole = np.array([width, height, width, height], np.float64)
    inside = boxes[:, BOX].clip(0, whole)
    is_outside = ~is_empty & (inside[:, 2:] <= inside[:, :2]).any(1)
    is_clipped = ~is_empty & ~is_outside & (inside != boxes[:, BOX]).any(1)
    seen = np.array([*fit.seen[::-1]] * 2)
    shown = boxes.astype(np.float32)
    shown[:, BOX] = inside.clip(0, seen) * fit.scale
    edge = np.array([fit.width, fit.height] * 2, np.float32)
    shown[:, BOX] = np.minimum(shown[:, BOX], edge)
    left = (shown[:, 3:5] > shown[:, 1:3]).all(1)
    for sentence, which in (
        ("left out {} without width or height", is_empty),
        ("left out {} outside the picture", is_outside),
        ("clipped {} to the picture", is_clipped),
        ("left out {} too thin to be seen", ~left & ~is_empty & ~is_outside),
    ):
        notes.add(sentence, f"in {picture.name}", int(which.sum()))
    return shown[left & ~is_empty & ~is_outside]


def _not_named(place: int, parts: Sequence[Part]) -> tuple[str, ...]:
    """A sentence on pictures in the folder of a part of which no annotation of any part says a
    word; once for each folder."""
    part = parts[place]
    if part.folder in [other.folder for other in parts[:place]]:
        return ()
    known = {file for other in parts for file in other.files}
    notes = Notes("picture")
    for file in files_below(part.folder):
        if file.suffix.lower() in SUFFIXES and file not in known:
            name = file.relative_to(part.folder).as_posix()
            notes.add("left out {} of which annotations say nothing", name)
    return notes.told(part.folder)


def _enlarged(folder: Path, fits: Sequence[Fit], side: int) -> list[str]:
    """A sentence where squares are larger than any picture."""
    longest = max(max(fit.file.size) for fit in fits)
    if longest >= side:
        return []
    return [
        f"{folder}: no picture has a side of more than {longest} pixels, and none is enlarged, so "
        f"that {SIZE}: {longest} shows as much as {side}, at less cost"
    ]

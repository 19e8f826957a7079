"""The user's own pictures with boxes, as Pascal VOC's XML files have them, one for each picture.

Either ``path/Annotations/*.xml`` beside ``path/JPEGImages/``, or XML files beside their pictures,
in folders of ``path`` too. ``filename`` names the picture, ``size`` its sides, each ``object`` has
a ``name`` and a ``bndbox``. Pixels are counted there from 1, and a box includes its last: what is
(xmin, ymin, xmax, ymax) in the file is (xmin - 1, ymin - 1, xmax, ymax) here. Classes are the names
that occur, in the order of texts.

An object that is ``difficult`` is a crowd here: neither required nor wrong, as in VOC's own
measure, which counts it among no true boxes, and what is found there as nothing. COCO's crowds
differ in two points: what is found counts as nothing by the share of it that is inside, whatever of
the object that covers, and however often. In training no place inside is told anything.
"""

import math
from pathlib import Path
from posixpath import normpath
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError, counted, listed
from trainers.data.pictures import files_below
from trainers.detection.data.boxed_files import (
    Annotated,
    Part,
    check_inside,
    check_unique,
    of_parts,
)
from trainers.detection.data.dataset import CLASS, COLUMNS, Pictures

ANNOTATIONS, IMAGES = "Annotations", "JPEGImages"
# Bytes of a file at most: thousands of objects.
LARGEST = 2**24
NOT_DIFFICULT, DIFFICULT = {"", "0"}, {"1"}
SIDES = ("xmin", "ymin", "xmax", "ymax")


class Told(NamedTuple):
    """What a file says of a picture: its name relative to the folder, its height and width, if any,
    the names of n objects, and their boxes (n, 6), see `Boxes`, all of class 0."""

    name: str
    size: tuple[int, int] | None
    objects: list[str]
    boxes: NDArray[np.float64]


class _Builder(ElementTree.TreeBuilder):
    """Takes no document type: its entities could grow without end, or be other files."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE, which annotations have no need of; remove that line")


def voc(path: str, size: int, test_path: str | None = None) -> Pictures:
    """The pictures of the folder ``path``, in the order of their XML files, fitted into squares of
    ``size`` pixels (`trainers.detection.data.fitted`); those of ``test_path``, a folder like it, if
    any, are the official test part."""
    folders = [Path(folder).expanduser() for folder in (path, test_path) if folder is not None]
    told = [_told(folder) for folder in folders]
    names, *others = ({name for one in of_part for name in one.objects} for of_part in told)
    for folder, own in zip(folders[1:], others, strict=True):
        if strange := sorted(own - names):
            raise DataError(
                f"{folder}: has objects of {listed(strange)}, of which {folders[0]} has none; give "
                "a test part of the same classes"
            )
    number = {name: place for place, name in enumerate(sorted(names))}
    parts = [
        Part(_pictures(folder), folder, [_annotated(one, number) for one in of_part])
        for folder, of_part in zip(folders, told, strict=True)
    ]
    return of_parts(parts, list(number), size)


def missing_voc(path: str, test_path: str | None = None, **options: object) -> str | None:
    """What has to be there and is not, or None."""
    for field, folder in (("path", path), ("test_path", test_path)):
        if folder is None:
            continue
        place = Path(folder).expanduser()
        if not place.is_dir():
            return f"there is no folder {place}; put it there or correct data.{field}"
        if (place / ANNOTATIONS).is_dir() and not (place / IMAGES).is_dir():
            return (
                f"{place}: has {ANNOTATIONS} and no {IMAGES} beside it; put the pictures there, or "
                "each beside its XML file"
            )
    return None


def _pictures(folder: Path) -> Path:
    """Where those are."""
    return folder / IMAGES if (folder / ANNOTATIONS).is_dir() else folder


def _told(folder: Path) -> list[Told]:
    """What the files of a folder say."""
    is_parted = (folder / ANNOTATIONS).is_dir()
    root = folder / ANNOTATIONS if is_parted else folder
    files = [file for file in files_below(root) if file.suffix.lower() == ".xml"]
    if not files:
        raise DataError(
            f"{root}: holds no XML file; put annotations there as Pascal VOC has them, or correct "
            "the folder"
        )
    told = [
        read_file(file, Path() if is_parted else file.parent.relative_to(root)) for file in files
    ]
    check_unique(root, [one.name for one in told])
    return told


def _annotated(told: Told, number: dict[str, int]) -> Annotated:
    boxes = told.boxes.copy()
    boxes[:, CLASS] = [number[name] for name in told.objects]
    return Annotated(told.name, told.size, boxes)


def read_file(file: Path, folder: Path) -> Told:
    """What a file says; ``folder``: in which it has its picture, relative to that of pictures."""
    root = _root(file)
    named = (root.findtext("filename") or "").strip()
    normal = normpath((folder / named).as_posix()) if named else ""
    check_inside(file, named, normal)
    names, rows = [], []
    for place, found in enumerate(root.findall("object")):
        what = f"object {place} (counted from 0)"
        if not (name := (found.findtext("name") or "").strip()):
            raise DataError(f"{file}: {what} has no name; give it one")
        names.append(name)
        rows.append(_row(file, what, found))
    boxes = np.array(rows, np.float64).reshape(-1, COLUMNS)
    return Told(normal, _size(file, root), names, boxes)


def _root(file: Path) -> ElementTree.Element:
    try:
        if (size := file.stat().st_size) > LARGEST:
            raise DataError(
                f"{file}: has {counted(size, 'byte')}, more than {LARGEST}; one picture needs less"
            )
        parser = ElementTree.XMLParser(target=_Builder())
        root = ElementTree.fromstring(file.read_bytes(), parser)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; allow it") from None
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise DataError(f"{file}: cannot be read as XML: {error}") from None
    if root.tag != "annotation":
        raise DataError(
            f"{file}: is <{root.tag}> and no <annotation> of Pascal VOC; convert or remove it"
        )
    return root


def _size(file: Path, root: ElementTree.Element) -> tuple[int, int] | None:
    """Height and width; None where nothing is told, or 0, as some programs write."""
    told = [_number(file, "size", root.find("size"), side) for side in ("height", "width")]
    if not any(told):
        return None
    height, width = told
    if min(told) <= 0 or any(n != int(n) for n in told):
        raise DataError(
            f"{file}: its width and height are {width:g} and {height:g}, no whole numbers above 0; "
            "correct them"
        )
    return int(height), int(width)


def _row(file: Path, what: str, found: ElementTree.Element) -> tuple[float, ...]:
    """An object as a row of boxes."""
    where = found.find("bndbox")
    if where is None:
        raise DataError(f"{file}: {what} has no bndbox; give it one, or remove it")
    told = (found.findtext("difficult") or "").strip()
    if told not in NOT_DIFFICULT | DIFFICULT:
        raise DataError(f"{file}: {what} is difficult: {told!r}, which has to be 0 or 1")
    left, top, right, bottom = (_number(file, what, where, side) for side in SIDES)
    return 0, left - 1, top - 1, right, bottom, told in DIFFICULT


def _number(file: Path, what: str, of: ElementTree.Element | None, name: str) -> float:
    """One of a box, or of a size, where 0 stands for none."""
    text = None if of is None else of.findtext(name)
    if text is None and what == "size":
        return 0.0
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{file}: {what} has the {name} {text!r}, no finite number; correct it")
    return number

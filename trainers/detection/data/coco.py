"""The user's own pictures with boxes, as COCO's files of instances have them.

One object of JSON: ``images`` with ``id``, ``file_name``, ``width`` and ``height``; ``categories``
with ``id`` and ``name``; ``annotations`` with ``image_id``, ``category_id``, ``bbox`` (left, top,
width, height in pixels, from 0) and ``iscrowd``. Whatever else it has, such as ``segmentation`` and
``area``, is not looked at: the size of a box is its own area. Ids are whole numbers or texts;
classes are numbered in the ascending order of theirs.
"""

import json
import math
from collections.abc import Container, Mapping
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.errors import DataError, counted
from trainers.data.written import refuse_unwritable
from trainers.detection.data.boxed_files import (
    Annotated,
    Part,
    check_inside,
    check_unique,
    of_parts,
)
from trainers.detection.data.dataset import COLUMNS, Pictures

# Bytes of a file at most: twice the annotations of COCO's 118,287 training images.
LARGEST = 2**30
INSTANCES = "give a file of instances, as COCO's instances_train2017.json is one"
Id = int | str


class _Where(NamedTuple):
    """An object of a list in a file, in words."""

    file: Path
    what: str
    place: int
    id: object

    def __str__(self) -> str:
        known = "" if self.id is None else f" (id {self.id!r})"
        return f"{self.file}: {self.what}[{self.place}]{known}"


def coco(
    path: str,
    annotations: str,
    size: int,
    test_path: str | None = None,
    test_annotations: str | None = None,
) -> Pictures:
    """Pictures of the folder ``path`` that the file ``annotations`` names, in its order, fitted
    into squares of ``size`` pixels (`trainers.detection.data.fitted`); with ``test_annotations``
    those of ``test_path``, by default the same folder, are the official test part."""
    if test_path is not None and test_annotations is None:
        raise DataError("data.test_path: has no data.test_annotations beside it; give both")
    part, names = _part(Path(path).expanduser(), Path(annotations).expanduser())
    parts = [part]
    if test_annotations is not None:
        file = Path(test_annotations).expanduser()
        test, others = _part(Path(test_path or path).expanduser(), file)
        if names != others:
            raise DataError(
                f"{file}: its categories are {_in_words(others)}, those of {annotations} "
                f"{_in_words(names)}; give a test part of the same categories under the same ids"
            )
        parts.append(test)
    return of_parts(parts, list(names.values()), size)


def missing_coco(
    path: str,
    annotations: str,
    test_path: str | None = None,
    test_annotations: str | None = None,
    **options: object,
) -> str | None:
    """What has to be there and is not, or None."""
    folders = {"path": path, "test_path": test_path}
    for field, folder in folders.items():
        if folder is not None and not (place := Path(folder).expanduser()).is_dir():
            return f"there is no folder {place}; put it there or correct data.{field}"
    files = {"annotations": annotations, "test_annotations": test_annotations}
    for field, file in files.items():
        if file is not None and not (place := Path(file).expanduser()).is_file():
            return f"there is no file {place}; put it there or correct data.{field}"
    return None


def _part(folder: Path, file: Path) -> tuple[Part, dict[Id, str]]:
    """What a file says of the pictures of a folder, and the names of classes by id."""
    content = _content(file)
    names = _categories(file, content)
    number = {id_: place for place, id_ in enumerate(names)}
    known: dict[Id, tuple[str, tuple[int, int] | None]] = {}
    for place, image in enumerate(_objects(file, content, "images")):
        where = _Where(file, "images", place, image.get("id"))
        id_ = _id(where, image, "id")
        if id_ in known:
            raise DataError(f"{where}: the id is that of an earlier image; give each its own")
        known[id_] = _name(where, image), _size(where, image)
    check_unique(file, [name for name, _ in known.values()])
    rows: dict[Id, list[list[float]]] = {id_: [] for id_ in known}
    for place, annotation in enumerate(_objects(file, content, "annotations")):
        where = _Where(file, "annotations", place, annotation.get("id"))
        own = _known(where, annotation, "image", rows)
        of_class = number[_known(where, annotation, "category", number)]
        rows[own].append([of_class, *_box(where, annotation), _crowd(where, annotation)])
    pictures = [Annotated(name, size, _together(rows[id_])) for id_, (name, size) in known.items()]
    return Part(folder, file, pictures), names


def _together(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(-1, COLUMNS)


def _content(file: Path) -> Mapping[str, Any]:
    """The object in a file."""
    try:
        if (size := file.stat().st_size) > LARGEST:
            raise DataError(
                f"{file}: has {size / 2**30:.1f} GiB, and at most {LARGEST / 2**30:g} are read; "
                "leave out what is not needed, such as segmentations"
            )
        content: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; allow it") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: cannot be read as JSON: {error}; write it again") from None
    if isinstance(content, list):
        raise DataError(f"{file}: is one list, as results in COCO's form are; {INSTANCES}")
    if not isinstance(content, dict):
        raise DataError(f"{file}: is no object of JSON; {INSTANCES}")
    return content


def _objects(file: Path, content: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """One of its lists."""
    if name not in content:
        raise DataError(f"{file}: has no {name!r}; {INSTANCES}")
    found: Any = content[name]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DataError(f"{file}: {name!r} is no list of objects; {INSTANCES}")
    return found


def _categories(file: Path, content: Mapping[str, Any]) -> dict[Id, str]:
    """Names by id, in the ascending order of ids."""
    names: dict[Id, str] = {}
    for place, category in enumerate(_objects(file, content, "categories")):
        where = _Where(file, "categories", place, category.get("id"))
        id_, name = _id(where, category, "id"), category.get("name")
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where}: has no name; give it one")
        refuse_unwritable(where, "a category", [name])
        if id_ in names or name in names.values():
            raise DataError(
                f"{where}: its id, or its name {name!r}, is that of an earlier category; give each "
                "its own"
            )
        names[id_] = name
    if not names:
        raise DataError(f"{file}: has no category; {INSTANCES}")
    return dict(sorted(names.items(), key=lambda pair: (isinstance(pair[0], str), pair[0])))


def _id(where: _Where, of: Mapping[str, Any], name: str) -> Id:
    found = of.get(name)
    if isinstance(found, bool) or not isinstance(found, int | str):
        raise DataError(
            f"{where}: its {name} is {found!r}, no whole number and no text; correct it"
        )
    return found


def _known(where: _Where, annotation: Mapping[str, Any], what: str, ids: Container[Id]) -> Id:
    found = _id(where, annotation, f"{what}_id")
    if found not in ids:
        raise DataError(f"{where}: there is no {what} of the id {found!r}; correct or drop it")
    return found


def _name(where: _Where, image: Mapping[str, Any]) -> str:
    """Of the file, relative to the folder of pictures."""
    name = image.get("file_name")
    if not isinstance(name, str):
        raise DataError(f"{where}: its file_name is {name!r}, no text; correct it")
    refuse_unwritable(where, "a picture", [name])
    normal = normpath(name)
    check_inside(where, name, normal)
    return str(PurePosixPath(normal))


def _size(where: _Where, image: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width, where it tells them."""
    told = [image[side] for side in ("height", "width") if image.get(side) is not None]
    if not told:
        return None
    if len(told) < 2 or not all(map(_is_length, told)):
        raise DataError(
            f"{where}: its width and height are {image.get('width')!r} and "
            f"{image.get('height')!r}, no whole numbers above 0; correct them, or leave both out"
        )
    height, width = map(int, told)
    return height, width


def _is_length(number: object) -> bool:
    return _is_finite(number) and isinstance(number, int | float) and 0 < number == int(number)


def _box(where: _Where, annotation: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    if "bbox" not in annotation:
        panoptic = "; this is panoptic segmentation" if "segments_info" in annotation else ""
        raise DataError(f"{where}: has no bbox{panoptic}; {INSTANCES}")
    told = annotation["bbox"]
    if not isinstance(told, list) or len(told) != 4 or not all(map(_is_finite, told)):
        raise DataError(
            f"{where}: its bbox is {told!r}, no four finite numbers: left, top, width, height; "
            "correct or drop it"
        )
    left, top, width, height = map(float, told)
    return left, top, left + width, top + height


def _is_finite(number: object) -> bool:
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _crowd(where: _Where, annotation: Mapping[str, Any]) -> float:
    told = annotation.get("iscrowd", 0)
    if told not in (0, 1):
        raise DataError(f"{where}: its iscrowd is {told!r}, and has to be 0 or 1; correct it")
    return float(told)


def _in_words(names: Mapping[Id, str]) -> str:
    shown = [f"{id_}: {name}" for id_, name in list(names.items())[:5]]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"{', '.join(shown)}{more} ({counted(len(names), 'category', 'categories')})"

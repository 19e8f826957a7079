"""Small files of pictures with boxes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainers.detection.data.tree_crowns import PHOTOGRAPHS
from trainers.settings import Option

# Of a picture: its width and height, and of each box the class, left, top, right and bottom.
Told = tuple[tuple[int, int], Sequence[tuple[str, float, float, float, float]]]
PICTURES: Mapping[str, Told] = {
    "a.png": ((64, 48), [("cat", 4, 6, 24, 36), ("dog", 30, 10, 60, 40)]),
    "b.png": ((32, 64), [("dog", 2, 3, 30, 33)]),
    "c.png": ((40, 40), []),
}
CLASSES = ("cat", "dog")


def shades(width: int, height: int) -> Image.Image:
    """Of one colour in each column and row, so that a place can be told from another."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))


def write_pictures(folder: Path, pictures: Mapping[str, Told] = PICTURES) -> None:
    """The pictures alone."""
    for name, (size, _) in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shades(*size).save(folder / name)


def as_coco(pictures: Mapping[str, Told] = PICTURES) -> dict[str, Any]:
    """What a file of instances says of pictures; ids from 0, those of categories with gaps."""
    annotations: list[dict[str, Any]] = []
    for number, (_, boxes) in enumerate(pictures.values()):
        for name, left, top, right, bottom in boxes:
            box = [left, top, right - left, bottom - top]
            category = 3 + 4 * CLASSES.index(name)
            annotations.append(
                {
                    "id": len(annotations), "image_id": number, "category_id": category,
                    "bbox": box, "iscrowd": 0,
                }
            )  # fmt: skip
    images = [
        {"id": number, "file_name": name, "width": width, "height": height}
        for number, (name, ((width, height), _)) in enumerate(pictures.items())
    ]
    categories = [{"id": 3 + 4 * n, "name": name} for n, name in enumerate(CLASSES)]
    return {"images": images, "categories": categories[::-1], "annotations": annotations}


def as_voc(name: str, told: Told = PICTURES["a.png"]) -> str:
    """What an XML file says of a picture: pixels from 1, the last included."""
    (width, height), boxes = told
    objects = [
        f"<object><name>{of_class}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin>"
        f"<ymin>{top + 1}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for of_class, left, top, right, bottom in boxes
    ]
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>{name}</filename>{size}{''.join(objects)}</annotation>"


def write_voc(folder: Path, pictures: Mapping[str, Told] = PICTURES) -> None:
    """Two folders, as Pascal VOC has them."""
    write_pictures(folder / "JPEGImages", pictures)
    (folder / "Annotations").mkdir()
    for name, told in pictures.items():
        file = folder / "Annotations" / Path(name).with_suffix(".xml")
        file.write_text(as_voc(name, told), encoding="utf-8")


def write_tree_crowns(folder: Path) -> None:
    """Photographs of the published sizes, each with as many boxes of 20 x 30 pixels as the
    published one, ten pixels apart."""
    folder.mkdir(exist_ok=True)
    for of in PHOTOGRAPHS:
        columns = of.width // 40 - 1
        corners = [divmod(place, columns) for place in range(of.boxes)]
        boxes = [("Tree", 40 * x, 40 * y, 40 * x + 20, 40 * y + 30) for y, x in corners]
        shades(of.width, of.height).save(folder / of.file)
        text = as_voc(of.file, ((of.width, of.height), boxes))
        (folder / of.annotations).write_text(text, encoding="utf-8")


def options_for(name: str, folder: Path, count: int = 60) -> dict[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``: ``count``
    pictures of the user's own."""
    if name == "tree_crowns":
        write_tree_crowns(folder)
        return {"folder": str(folder), "tile": 64, "examples": count}
    told = list(PICTURES.values())
    pictures = {f"{number:03}.png": told[number % len(told)] for number in range(count)}
    if name == "voc":
        write_voc(folder / "voc", pictures)
        return {"path": str(folder / "voc"), "size": 48}
    if name == "coco":
        write_pictures(folder / "pictures", pictures)
        file = write_coco(folder / "pictures", as_coco(pictures))
        return {"path": str(folder / "pictures"), "annotations": str(file), "size": 48}
    return {"canvases": count, "side": 48}


def write_coco(folder: Path, content: object = None, name: str = "instances.json") -> Path:
    """A file beside the folder of pictures, which is made as well."""
    write_pictures(folder)
    file = folder.parent / name
    file.write_text(json.dumps(as_coco() if content is None else content), encoding="utf-8")
    return file

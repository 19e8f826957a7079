"""Pictures with boxes: COCO's JSON, and Pascal VOC's XML beside it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.kinds import objects
from tests.fuzz.routes import HERE, launched
from tests.fuzz.target import Mutation, Target
from tests.trainers.detection.files import PICTURES, as_coco, write_pictures

CONTAINERS = frozenset({"trainers.detection.data.coco:_content"})
SIDE = 32
COUNT = 15
NAMES = (
    "../secret.png", "/etc/passwd", "a/../../x.png", "..", ".", "", " ", "a\0b.png", "\ud800.png",
    "con\nrol.png", "000.png", "./000.png", "x" * 300 + ".png", "000.png/", "~/000.png",
    "file:///etc/passwd", "\\\\server\\x.png", None, 3, ["000.png"],
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    -1, 0, 0.5, 1e-30, 1e30, 1e308, 10**400, -(10**18), float("nan"), float("inf"), True, None,
    "1", [1], {}, 2**63,
)  # fmt: skip

Content = dict[str, Any]
Change = Callable[[Content, Random], None]


def coco() -> list[Target]:
    data = {
        "dataset": "coco", "path": f"{HERE}/pictures", "annotations": f"{HERE}/instances.json",
        "size": SIDE,
    }  # fmt: skip
    return [
        Target("coco", "data", _write, ["instances.json"], launched("detection", data),
               objects.whole_object, OF_COCO, CONTAINERS),
    ]  # fmt: skip


def _write(folder: Path) -> None:
    told = list(PICTURES.values())
    pictures = {f"{number:03}.png": told[number % len(told)] for number in range(COUNT)}
    write_pictures(folder / "pictures", pictures)
    (folder / "instances.json").write_text(json.dumps(as_coco(pictures)), "utf-8")


def _set(list_: str, key: str, values: tuple[Any, ...]) -> Change:
    """A value of one object of a list replaced."""

    def change(content: Content, rng: Random) -> None:
        rng.choice(content[list_])[key] = rng.choice(values)

    return change


def _box(content: Content, rng: Random) -> None:
    box = rng.choice(content["annotations"])["bbox"]
    box[rng.randrange(4)] = rng.choice(NUMBERS)


def _box_outside(content: Content, rng: Random) -> None:
    rng.choice(content["annotations"])["bbox"] = rng.choice(
        ([1e6, 1e6, 5, 5], [-50, -50, 20, 20], [-10, -10, 1000, 1000], [5, 5, 0, 0],
         [5, 5, -3, 4], [0, 0, 1e-9, 1e-9], [], [1, 2, 3], [1, 2, 3, 4, 5], "1 2 3 4")
    )  # fmt: skip


def _without(list_: str, key: str = "") -> Change:
    def change(content: Content, rng: Random) -> None:
        if key:
            rng.choice(content[list_]).pop(key, None)
        else:
            del content[list_]

    return change


def _twice(list_: str) -> Change:
    return lambda content, rng: content[list_].append(copy.deepcopy(rng.choice(content[list_])))


def _ids(content: Content, rng: Random) -> None:
    """Ids are texts, in the same order."""
    for image in content["images"]:
        image["id"] = f"i{image['id']:04}"
    for annotation in content["annotations"]:
        annotation["image_id"] = f"i{annotation['image_id']:04}"


def _strange_list(content: Content, rng: Random) -> None:
    name = rng.choice(("images", "categories", "annotations"))
    content[name] = rng.choice(([], {}, None, 3, "x", [3], [[]], [None], [{}]))


OF_COCO = [
    Mutation("indented", "same", objects.text(objects.indented)),
    Mutation(
        "keys in another order",
        "same",
        objects.text(lambda t, rng: json.dumps(dict(reversed(json.loads(t).items())))),
    ),
    Mutation(
        "more keys",
        "same",
        objects.changed(
            lambda c, rng: c.update(info={"a": [1]}, licenses=[]) or c["images"][0].update(x=None)
        ),
    ),
    Mutation("texts as ids", "same", objects.changed(_ids)),
    Mutation(
        "annotations in the end's order",
        "any",
        objects.changed(lambda c, rng: c["annotations"].reverse()),
    ),
    Mutation("an odd number in a box", "any", objects.changed(_box)),
    Mutation("an odd number in a box", "any", objects.changed(_box)),
    Mutation("a box outside, or empty", "any", objects.changed(_box_outside)),
    Mutation(
        "an odd name of a picture", "any", objects.changed(_set("images", "file_name", NAMES))
    ),
    Mutation(
        "an odd name of a picture", "any", objects.changed(_set("images", "file_name", NAMES))
    ),
    Mutation("an odd width", "any", objects.changed(_set("images", "width", NUMBERS))),
    Mutation("an odd id", "any", objects.changed(_set("images", "id", NUMBERS))),
    Mutation(
        "an odd id of a picture", "any", objects.changed(_set("annotations", "image_id", NUMBERS))
    ),
    Mutation(
        "an odd id of a category",
        "any",
        objects.changed(_set("annotations", "category_id", NUMBERS)),
    ),
    Mutation(
        "an odd name of a category",
        "any",
        objects.changed(
            _set(
                "categories",
                "name",
                ("", " ", "\ud800", "a\0b", "\x1b[2J", "dog", None, 3, "x" * 9000),
            )
        ),
    ),
    Mutation("an odd crowd", "any", objects.changed(_set("annotations", "iscrowd", NUMBERS))),
    Mutation("an odd list", "any", objects.changed(_strange_list)),
    Mutation("no box", "refused", objects.changed(_without("annotations", "bbox"))),
    Mutation("a list out", "refused", objects.changed(lambda c, rng: c.pop(rng.choice(sorted(c))))),
    Mutation("a picture twice", "refused", objects.changed(_twice("images"))),
    Mutation("a category twice", "refused", objects.changed(_twice("categories"))),
    Mutation("an annotation twice", "any", objects.changed(_twice("annotations"))),
    Mutation(
        "a key twice", "any", objects.text(lambda t, rng: t.replace('"id"', '"id": 0, "id"', 1))
    ),
    Mutation("nested deeply", "any", objects.text(objects.nested)),
    Mutation("a list", "refused", objects.text(lambda t, rng: f"[{t}]")),
]

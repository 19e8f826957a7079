"""DATASETS: every data set of the task, in one table. Free of torch."""

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trainers.detection.data.canvases import (
    CLASSES,
    CLOTHES_GLYPHS,
    GLYPHS,
    GROUPS,
    canvases,
    missing_glyphs,
)
from trainers.detection.data.coco import coco, missing_coco
from trainers.detection.data.dataset import places
from trainers.detection.data.tree_crowns import (
    PUBLISHED,
    missing_tree_crowns,
    tiles,
    tree_crowns,
)
from trainers.detection.data.voc import missing_voc, voc
from trainers.entries import DatasetEntry
from trainers.fields import Field

TASK = "detection"
AUGMENT = Field(
    "augment", "choice", "none", "how pictures of training batches are changed: left and right "
    "exchanged in every other one, or cropped besides", "own",
    choices=("none", "flip", "crop_flip"),
)  # fmt: skip
FOLDER = Field(
    "folder", "path", None, "where its files are; by default $ALMKD_DATA and the usual places",
    "own", example="~/data",
)  # fmt: skip
SIZE = Field(
    "size", "int", 320, "side of the squares that networks are shown: pictures are shrunk until "
    "they fit, never enlarged", "own", unit="pixels", low=32, high=1280,
)  # fmt: skip
# What a place tells beside a score for every class.
SIDES = 4


def _missing_evaluation() -> str | None:
    if importlib.util.find_spec("faster_coco_eval"):
        return None
    return (
        "mean average precision is computed by the package faster-coco-eval; pip install "
        "'almkd[detection]'"
    )


def _missing_of_canvases(**options: Any) -> str | None:
    return missing_glyphs(**options) or _missing_evaluation()


def _missing_of_trees(**options: Any) -> str | None:
    return missing_tree_crowns(**options) or _missing_evaluation()


def _missing_of_coco(**options: Any) -> str | None:
    return missing_coco(**options) or _missing_evaluation()


def _missing_of_voc(**options: Any) -> str | None:
    return missing_voc(**options) or _missing_evaluation()


def _squares(size: int, **options: object) -> tuple[int, int, int]:
    return 3, size, size


DATASETS: Mapping[str, DatasetEntry] = {
    "canvases": DatasetEntry(
        canvases,
        "grey pictures on which handwritten digits or clothes are pasted, whose boxes are known to "
        "the pixel",
        "scikit-learn's load_digits (UCI optical recognition of handwritten digits, test part); "
        "Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747), training images",
        TASK,
        fields=(
            Field("glyphs", "choice", "digits", "what is pasted", "own", choices=GLYPHS),
            Field("canvases", "int", 1500, f"how many, a multiple of {GROUPS}", "own",
                  unit="examples", low=2 * GROUPS, high=100_000),
            Field("side", "int", 64, "of a canvas", "own", unit="pixels", low=48, high=128),
            Field("most", "int", 3, "glyphs of a canvas at most", "own", unit="boxes", low=1,
                  high=10),
            replace(FOLDER, meaning="where the files of clothes are; by default $ALMKD_DATA and "
                    "the usual places"),
        ),
        treatment=(AUGMENT,),
        missing=_missing_of_canvases,
        shape=lambda side, **options: (1, side, side),
        counts=lambda canvases, side, **options: (canvases, places(side, side) * (CLASSES + SIDES)),
        may_change=lambda glyphs, **options: glyphs == CLOTHES_GLYPHS,
    ),
    "tree_crowns": DatasetEntry(
        tree_crowns,
        "tiles of four aerial photographs of forests, 951 crowns of trees",
        "NEON's photographs, Weinstein et al. 2019 (Remote Sensing 11(11)), the files of "
        "DeepForest",
        TASK,
        fields=(
            FOLDER,
            Field("tile", "int", 128, "side of a tile", "own", unit="pixels", low=64, high=400),
        ),
        treatment=(AUGMENT,),
        missing=_missing_of_trees,
        published=PUBLISHED,
        shape=lambda tile, **options: (3, tile, tile),
        counts=lambda tile, **options: (tiles(tile), places(tile, tile) * (1 + SIDES)),
    ),
    "coco": DatasetEntry(
        coco,
        "pictures in a folder, and their boxes in a JSON file in the form of COCO's instances",
        "the user's; Lin et al. 2014, arXiv 1405.0312",
        TASK,
        fields=(
            Field("path", "path", None, "the folder of pictures", "the user's", required=True,
                  example="~/pictures"),
            Field("annotations", "path", None, "the JSON file", "the user's", required=True,
                  example="instances.json"),
            SIZE,
            Field("test_path", "path", None, "the folder of the official test part; "
                  "by default that of the others", "the user's", example="~/test"),
            Field("test_annotations", "path", None, "the JSON file of the official test part",
                  "the user's", example="instances_test.json"),
        ),
        treatment=(AUGMENT,),
        official_test=True,
        missing=_missing_of_coco,
        shape=_squares,
    ),
    "voc": DatasetEntry(
        voc,
        "pictures, and their boxes in an XML file each, in the form of Pascal VOC",
        "the user's; Everingham et al. 2010 (IJCV 88(2))",
        TASK,
        fields=(
            Field("path", "path", None, "the folder that holds Annotations and JPEGImages, or XML "
                  "files beside their pictures", "the user's", required=True,
                  example="~/VOC2007"),
            SIZE,
            Field("test_path", "path", None, "the same of the official test part", "the user's",
                  example="~/VOC2007_test"),
        ),
        treatment=(AUGMENT,),
        official_test=True,
        missing=_missing_of_voc,
        shape=_squares,
    ),
}  # fmt: skip

"""DATASETS: every data set of the task, in one table. Free of torch."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from trainers.detection.data.canvases import (
    CLASSES,
    CLOTHES_GLYPHS,
    GLYPHS,
    GROUPS,
    canvases,
    missing_glyphs,
)
from trainers.detection.data.dataset import places
from trainers.entries import DatasetEntry
from trainers.fields import Field

TASK = "detection"
AUGMENT = Field(
    "augment", "choice", "none", "how pictures of training batches are changed: left and right "
    "exchanged in every other one, or cropped besides", "own",
    choices=("none", "flip", "crop_flip"),
)  # fmt: skip
FOLDER = Field(
    "folder", "path", None, "where the files of clothes are; by default $ALMKD_DATA and the usual "
    "places", "own", example="~/data",
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
    return _missing_evaluation() or missing_glyphs(**options)


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
            FOLDER,
        ),
        treatment=(AUGMENT,),
        missing=_missing_of_canvases,
        shape=lambda side, **options: (1, side, side),
        counts=lambda canvases, side, **options: (canvases, places(side, side) * (CLASSES + SIDES)),
        may_change=lambda glyphs, **options: glyphs == CLOTHES_GLYPHS,
    ),
}  # fmt: skip

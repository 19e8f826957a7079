"""Mean average precision of boxes, as COCO defines it.

N pictures, U boxes, D boxes found. Per class and threshold of overlap, 0.5 to 0.95 by 0.05: what is
found in all pictures, by score, each matched to the free true box of its picture and class that it
overlaps most, and as much as the threshold at least; precision made monotone from the right, read
at the 101 recalls 0, 0.01, ..., 1, and averaged over these, the thresholds, and the classes that
have a true box. faster-coco-eval computes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.data.tokenizer import PADDING
from trainers.detection.data.dataset import BOX, CLASS, CROWD, Boxes

MAP, MAP_50, MAP_75, RECALL = "map", "map_50", "map_75", "recall_100"
OF_SIZES = ("map_small", "map_medium", "map_large")
MEASURES = (MAP, MAP_50, MAP_75, *OF_SIZES, RECALL)
MOST = 100  # boxes of a picture that count
REQUIREMENT = "almkd[detection]"


class Answers(NamedTuple):
    """What is found in N pictures, in the pixels in which boxes are true: ``boxes`` (N, D, 4),
    ``scores`` (N, D), 0 where there is none, ``classes`` (N, D)."""

    boxes: NDArray[Any]
    scores: NDArray[Any]
    classes: NDArray[Any]


def measured(
    true: Boxes, answers: Answers, classes: int, limits: tuple[float, float]
) -> dict[str, float]:
    """Each of `MEASURES` of true boxes (N, U, 6), in percent; NaN where no true box is of a size,
    or there is none at all. ``limits``: as `Pictures` has them. Nothing found is 0."""
    from faster_coco_eval import COCO, COCOeval_faster

    truth = COCO(_truth(true, classes))
    results = truth.loadRes(_results(answers))
    run = COCOeval_faster(truth, results, iouType="bbox", print_function=_silent)
    small, large = limits
    everything = 1e10
    run.params.areaRng = [[0, everything], [0, small], [small, large], [large, everything]]
    run.params.areaRngLbl = ["all", "small", "medium", "large"]
    run.params.maxDets = [MOST]
    run.evaluate()
    run.accumulate()
    # Thresholds, recalls, classes, sizes, numbers of boxes; -1 where a class has no such true box.
    precision = np.asarray(run.eval["precision"])[..., 0]
    recall = np.asarray(run.eval["recall"])[..., 0]
    of_sizes = {name: precision[..., 1 + i] for i, name in enumerate(OF_SIZES)}
    each = {
        MAP: precision[..., 0], MAP_50: precision[0, ..., 0], MAP_75: precision[5, ..., 0],
        **of_sizes, RECALL: recall[..., 0],
    }  # fmt: skip
    return {name: _mean(values) for name, values in each.items()}


def _mean(values: NDArray[Any]) -> float:
    known = values[values > -1]
    return 100.0 * float(known.mean()) if known.size else float("nan")


def _truth(true: Boxes, classes: int) -> dict[str, Any]:
    annotations: list[dict[str, Any]] = []
    for picture, own in enumerate(true):
        for row in own[own[:, CLASS] != PADDING]:
            left, top, right, bottom = (float(x) for x in row[BOX])
            width, height = right - left, bottom - top
            annotations.append(
                {
                    # From 1: 0 stands for no match in the code that reads it.
                    "id": len(annotations) + 1,
                    "image_id": picture,
                    "category_id": int(row[CLASS]),
                    "bbox": [left, top, width, height],
                    "area": width * height,
                    "iscrowd": int(row[CROWD]),
                }
            )
    return {
        "info": {},
        "images": [{"id": picture} for picture in range(len(true))],
        "categories": [{"id": number, "name": str(number)} for number in range(classes)],
        "annotations": annotations,
    }


def _results(answers: Answers) -> list[Mapping[str, Any]]:
    boxes = answers.boxes.astype(np.float64)
    boxes = np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)
    there = answers.scores > 0
    pictures = np.nonzero(there)[0]
    columns: Sequence[list[Any]] = (
        pictures.tolist(), answers.classes[there].tolist(), boxes[there].tolist(),
        answers.scores[there].astype(np.float64).tolist(),
    )  # fmt: skip
    return [
        # What is not a segmentation is not to be made one.
        {"image_id": i, "category_id": c, "bbox": b, "score": s, "segmentation": None}
        for i, c, b, s in zip(*columns, strict=True)
    ]


def _silent(*words: object) -> None:
    pass

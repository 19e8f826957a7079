"""Mean average precision: cases by hand, and against pycocotools."""

import contextlib
import io
import math

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.trainers.detection.cases import boxes_of
from trainers.detection.data.dataset import BOX, CLASS, CROWD, Boxes, is_there
from trainers.detection.measures import MEASURES, MOST, OF_SIZES, Answers, measured

LIMITS = (14.0**2, 20.0**2)
CLASSES = 3
Found = list[tuple[float, ...]]  # class, score, left, top, right, bottom
# Two pictures with an object each.
TWO = boxes_of([(0, 2, 2, 12, 12)], [(1, 20, 20, 50, 50)])
PERFECT: list[Found] = [[(0, 0.9, 2, 2, 12, 12)], [(1, 0.8, 20, 20, 50, 50)]]


def _answers(*pictures: Found) -> Answers:
    most = max(1, *map(len, pictures))
    boxes, scores = np.zeros((len(pictures), most, 4)), np.zeros((len(pictures), most))
    classes = np.zeros((len(pictures), most), np.int64)
    for i, own in enumerate(pictures):
        for j, (of, score, *box) in enumerate(own):
            boxes[i, j], scores[i, j], classes[i, j] = box, score, of
    return Answers(boxes, scores, classes)


def _measured(true: Boxes, *pictures: Found, classes: int = CLASSES) -> dict[str, float]:
    return measured(true, _answers(*pictures), classes, LIMITS)


def test_perfect_detections_are_exactly_a_hundred() -> None:
    found = _measured(TWO, *PERFECT)
    assert [*found] == list(MEASURES)
    assert found["map"] == found["map_50"] == found["map_75"] == found["recall_100"] == 100
    assert found["map_small"] == found["map_large"] == 100


def test_a_size_that_does_not_occur_has_no_value() -> None:
    found = _measured(TWO, *PERFECT)
    assert math.isnan(found["map_medium"])
    assert {name for name, value in found.items() if math.isnan(value)} == {"map_medium"}


def test_without_a_true_box_nothing_has_a_value() -> None:
    found = _measured(boxes_of([], []), *PERFECT)
    assert all(math.isnan(value) for value in found.values())


def test_nothing_found_is_nought() -> None:
    found = _measured(TWO, [], [])
    assert {name: value for name, value in found.items() if name != "map_medium"} == {
        name: 0 for name in MEASURES if name != "map_medium"
    }


def test_classes_without_a_true_box_cost_nothing() -> None:
    """However sure the one who finds them is."""
    wrong = (2, 0.99, 30, 30, 40, 40)
    assert _measured(TWO, [*PERFECT[0], wrong], PERFECT[1])["map"] == 100


@pytest.mark.parametrize(("score", "wanted"), [(0.1, 100), (0.95, 200 / 3)])
def test_what_is_found_wrongly_costs_where_it_is_surer_than_what_is_right(
    score: float, wanted: float
) -> None:
    true = boxes_of([(0, 2, 2, 12, 12)], [(0, 20, 20, 50, 50)])
    right: list[Found] = [[(0, 0.9, 2, 2, 12, 12)], [(0, 0.8, 20, 20, 50, 50)]]
    found = _measured(true, [*right[0], (0, score, 30, 30, 40, 40)], right[1])
    assert found["map"] == pytest.approx(wanted, rel=1e-6)


def test_half_of_the_objects_is_51_of_101_recalls() -> None:
    true = boxes_of([(0, 2, 2, 12, 12)], [(0, 20, 20, 50, 50)])
    found = _measured(true, [(0, 0.9, 2, 2, 12, 12)], [])
    assert found["map"] == pytest.approx(5100 / 101)
    assert found["recall_100"] == 50


def test_a_picture_of_which_nothing_is_found_counts() -> None:
    found = _measured(TWO, PERFECT[0], [])
    assert found["map"] == 50
    assert found["map_large"] == 0
    assert found["map_small"] == 100


def test_overlaps_count_threshold_by_threshold() -> None:
    """An overlap of 0.72 is enough for 5 of the 10."""
    true = boxes_of([(0, 0, 0, 10, 10)])
    found = _measured(true, [(0, 0.9, 0, 0, 10, 7.2)])
    assert found["map"] == pytest.approx(50)
    assert (found["map_50"], found["map_75"]) == (100, 0)


def test_of_two_of_one_object_the_second_is_wrong() -> None:
    true = boxes_of([(0, 0, 0, 10, 10), (0, 20, 20, 30, 30)])
    twice = (0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 0, 10, 10)
    found = _measured(true, [*twice, (0, 0.7, 20, 20, 30, 30)])
    # Right, wrong, right: a precision of 1 to a recall of 1/2, then of 2/3.
    assert found["map"] == pytest.approx(100 * (51 + 50 * 2 / 3) / 101)


def test_what_is_found_in_a_crowd_counts_for_nothing() -> None:
    true = boxes_of([(0, 0, 0, 10, 10), (0, 20, 0, 60, 40, 1)])
    many: Found = [(0, 0.99, 20 + 4 * i, 4 * i, 24 + 4 * i, 4 + 4 * i) for i in range(8)]
    found = _measured(true, [*many, (0, 0.5, 0, 0, 10, 10)])
    assert found["map"] == 100
    assert math.isnan(found["map_large"])


def test_no_more_than_a_hundred_of_a_picture_count() -> None:
    true = boxes_of([(0, 0, 0, 10, 10)])
    many: Found = [(0, 0.9 - i / 1000, 30, 30, 40, 40) for i in range(MOST)]
    assert _measured(true, [*many, (0, 0.01, 0, 0, 10, 10)])["recall_100"] == 0
    assert _measured(true, [*many[1:], (0, 0.01, 0, 0, 10, 10)])["recall_100"] == 100


def _drawn(seed: int, n: int = 12) -> tuple[Boxes, Answers]:
    """Boxes of all sizes, some of them crowds, and what is found: near them, or anywhere; of some
    pictures nothing is true, or found."""
    rng = np.random.default_rng(seed)
    pictures, said = [], []
    for i in range(n):
        boxes: Found = []
        found: Found = []
        for _ in range(int(rng.integers(0, 5)) if i % 5 else 0):
            left, top = rng.uniform(0, 60, 2)
            width, height = rng.uniform(6, 30, 2)
            crowd = float(rng.random() < 0.15)
            of = float(rng.integers(0, CLASSES))
            boxes.append((of, left, top, left + width, top + height, crowd))
            for _ in range(int(rng.integers(0, 3))):
                off = rng.normal(0, 0.1, 4) * [width, height, width, height]
                its = of if rng.random() < 0.8 else float(rng.integers(0, CLASSES))
                box = np.array([left, top, left + width, top + height]) + off
                found.append((its, round(float(rng.uniform(0.05, 1)), 2), *box))
        if i % 4 == 1:
            found.append((0, 0.3, 5, 5, 15, 25))
        pictures.append(boxes)
        said.append([] if i % 6 == 2 else found)
    return boxes_of(*pictures), _answers(*said)


def _by_pycocotools(true: Boxes, answers: Answers) -> dict[str, float]:
    annotations, results = [], []
    for picture, own in enumerate(true):
        for row in own[is_there(own)]:
            left, top, right, bottom = row[BOX].tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": picture,
                    "category_id": int(row[CLASS]), "iscrowd": int(row[CROWD]),
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                }
            )  # fmt: skip
    for picture, rows in enumerate(zip(*answers, strict=True)):
        for (left, top, right, bottom), score, of in zip(*(r.tolist() for r in rows), strict=True):
            if score:
                box = [left, top, right - left, bottom - top]
                results.append(
                    {"image_id": picture, "category_id": of, "bbox": box, "score": score}
                )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {}, "annotations": annotations,
            "images": [{"id": i} for i in range(len(true))],
            "categories": [{"id": i} for i in range(CLASSES)],
        }  # fmt: skip
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(results), "bbox")
        run.params.areaRng = [[0, 1e10], [0, LIMITS[0]], LIMITS, [LIMITS[1], 1e10]]
        run.params.maxDets = [MOST]
        run.evaluate()
        run.accumulate()
    precision, recall = run.eval["precision"][..., 0], run.eval["recall"][..., 0]
    each = {
        "map": precision[..., 0], "map_50": precision[0, ..., 0], "map_75": precision[5, ..., 0],
        **{name: precision[..., 1 + i] for i, name in enumerate(OF_SIZES)},
        "recall_100": recall[..., 0],
    }  # fmt: skip
    return {
        name: 100 * float(x[x > -1].mean()) if (x > -1).any() else math.nan
        for name, x in each.items()
    }


@pytest.mark.parametrize("seed", range(6))
def test_it_is_what_pycocotools_has(seed: int) -> None:
    true, answers = _drawn(seed)
    found = measured(true, answers, CLASSES, LIMITS)
    assert 10 < found["map"] < 90
    assert found == pytest.approx(_by_pycocotools(true, answers), nan_ok=True)


def test_another_order_of_pictures_changes_nothing() -> None:
    """Scores that are equal included, where pictures are."""
    for seed in range(4):
        true, answers = _drawn(seed)
        # No two are found as surely: which of such comes first is a matter of the order.
        surest = answers.scores + np.arange(answers.scores.size).reshape(answers.scores.shape) / 1e5
        answers = answers._replace(scores=np.where(answers.scores > 0, surest, 0))
        found = measured(true, answers, CLASSES, LIMITS)
        order = np.random.default_rng(seed).permutation(len(true))
        moved = Answers(*(array[order] for array in answers))
        assert measured(true[order], moved, CLASSES, LIMITS) == pytest.approx(found, nan_ok=True)


def test_one_scale_for_boxes_and_limits_changes_nothing() -> None:
    true, answers = _drawn(1)
    larger = true.copy()
    larger[..., BOX] *= 4
    limits = (16 * LIMITS[0], 16 * LIMITS[1])
    found = measured(larger, answers._replace(boxes=4 * answers.boxes), CLASSES, limits)
    assert found == pytest.approx(measured(true, answers, CLASSES, LIMITS), nan_ok=True)

"""Which boxes a teacher and its students find in a few test pictures.

In the condition with the most noise: the plain student, the first baseline, and of the other rows
the one with the best validation mean. All are runs of one confirm seed, which share splits.

A box that is found is right as average precision at an overlap of 0.5 has it: from the best score
on each is matched to the free true box of its class that it overlaps most, and as much as that.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.image import imread
from numpy.typing import NDArray

from sweep.compare.against_best import best_of
from sweep.compare.kept_tables import (
    STUDENT,
    KeptTables,
    of_row,
    runs_of_one_seed,
    tables_of,
    teachers_of,
)
from sweep.compare.records import SweepRecord, completed, trials_of
from sweep.plan.plan import Condition

# The tables of a run, and their columns that are no numbers.
BOXES, PICTURES = "boxes", "pictures"
TEXTS = frozenset({"who", "class", "title", "png"})
EDGES = ["left", "top", "right", "bottom"]
TRUTH = "truth"
# Boxes with a score of this at least are shown, and of a picture so many.
LEAST_SCORE, MOST_SHOWN = 0.3, 10
OVERLAP = 0.5


@dataclass(frozen=True)
class Box:
    """``edges``: left, top, right, bottom in pixels; ``score``: in (0, 1), 1 of a true box.

    ``right``: of one that is found, whether it is matched to a true box; of a true box, whether one
    that is found is matched to it.
    """

    name: str
    score: float
    edges: tuple[float, float, float, float]
    is_crowd: bool = False
    right: bool = False


@dataclass(frozen=True)
class Sight:
    """What is found in a picture, the best first, and the true boxes that are missed."""

    found: tuple[Box, ...]
    missed: tuple[Box, ...]


@dataclass(frozen=True, eq=False)
class SeenPicture:
    """A picture, (H, W) of grey or (H, W, 3) of colours in [0, 1], and what is there."""

    row: int
    title: str
    pixels: NDArray[np.float32]
    truth: tuple[Box, ...]


@dataclass(frozen=True, eq=False)
class Gallery:
    """A few pictures in a condition, and of everyone who looks at them a `Sight` of each."""

    condition: Condition
    seed: int
    pictures: tuple[SeenPicture, ...]
    sights: Mapping[str, tuple[Sight, ...]]
    best: str | None  # the row that is shown for its validation mean


def gallery(record: SweepRecord, kept: KeptTables) -> Gallery | None:
    """That of the condition with the most noise in which some row has kept it."""
    if record.example_tables != "boxes":
        return None
    by_noise = sorted(record.conditions, key=lambda condition: -condition.noise_rate)
    found = (_gallery(record, kept, condition) for condition in by_noise)
    return next((one for one in found if one), None)


def _gallery(record: SweepRecord, kept: KeptTables, condition: Condition) -> Gallery | None:
    best = best_of(record, condition, [m for m in record.challengers if m != record.plain])
    named = dict.fromkeys(m for m in (record.plain, record.baselines[0], best) if m)
    finished = [
        method
        for method in named
        if len(completed(trials_of(record, "confirm", condition, method), record.test_column))
    ]
    seed, runs = runs_of_one_seed(record, condition, finished)
    boxes = tables_of(kept, runs, BOXES)
    pictures = next(iter(tables_of(kept, runs, PICTURES).values()), None)
    if not boxes or pictures is None:
        return None
    shared = [
        row for row in pictures["row"] if all(row in set(table["row"]) for table in boxes.values())
    ]
    if not shared:
        return None
    first = next(iter(boxes.values()))
    seen = tuple(_picture(pictures, first, row) for row in shared)
    sights = {
        title: tuple(
            _sight(picture, _boxes(table, row, who))
            for picture, row in zip(seen, shared, strict=True)
        )
        for title, table, who in _voices(record, condition, boxes)
    }
    return Gallery(condition, seed, seen, sights, best if best in boxes else None)


def _voices(
    record: SweepRecord, condition: Condition, boxes: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """Who looks, and by which name in which table: the first teacher, then students."""
    heard = (one for method in boxes for one in teachers_of(record, condition, method))
    if (first := next(heard, None)) and first.who in set(boxes[first.method]["who"]):
        yield f"Teacher: {first.network}", boxes[first.method], first.who
    for method, table in boxes.items():
        yield method, table, STUDENT


def _picture(pictures: pd.DataFrame, boxes: pd.DataFrame, row: str) -> SeenPicture:
    (told,) = of_row(pictures, row, TEXTS).to_dict("records")
    pixels = imread(BytesIO(base64.b64decode(told["png"])), format="png")
    return SeenPicture(int(row), str(told["title"]), pixels, _boxes(boxes, row, TRUTH))


def _boxes(table: pd.DataFrame, row: str, who: str) -> tuple[Box, ...]:
    """The boxes that are shown of somebody in a picture."""
    own = of_row(table[table["who"] == who], row, TEXTS)
    if who != TRUTH:
        shown = own[own["score"] >= LEAST_SCORE]
        own = shown.sort_values("score", ascending=False, kind="stable").head(MOST_SHOWN)
    return tuple(
        Box(
            str(one["class"]),
            float(one["score"]),
            (one["left"], one["top"], one["right"], one["bottom"]),
            is_crowd=bool(one["crowd"]),
        )
        for one in own.to_dict("records")
    )


def _sight(picture: SeenPicture, found: tuple[Box, ...]) -> Sight:
    """Found boxes, which come from the best on, matched to the true ones."""
    free = [box for box in picture.truth if not box.is_crowd]
    crowds = [box for box in picture.truth if box.is_crowd]
    judged = []
    for box in found:
        own = [one for one in free if one.name == box.name]
        best = max(own, key=lambda one: overlap(box, one), default=None)
        if best and overlap(box, best) >= OVERLAP:
            free.remove(best)
            judged.append(replace(box, right=True))
        else:
            in_crowd = any(
                one.name == box.name and _share_inside(box, one) >= OVERLAP for one in crowds
            )
            judged.append(replace(box, right=in_crowd))
    return Sight(tuple(judged), tuple(free))


def overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    shared = _shared(one, other)
    return shared / (_area(one) + _area(other) - shared)


def _share_inside(one: Box, other: Box) -> float:
    """The share of a box that is inside another, as overlaps with crowds are measured; of one that
    was cut to nothing 0."""
    area = _area(one)
    return _shared(one, other) / area if area else 0.0


def _shared(one: Box, other: Box) -> float:
    left, top = (max(one.edges[i], other.edges[i]) for i in (0, 1))
    right, bottom = (min(one.edges[i], other.edges[i]) for i in (2, 3))
    return max(right - left, 0.0) * max(bottom - top, 0.0)


def _area(box: Box) -> float:
    left, top, right, bottom = box.edges
    return (right - left) * (bottom - top)

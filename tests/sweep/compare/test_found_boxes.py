"""Who finds which boxes: which runs are read, which boxes are right, and what is drawn."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.image import imsave
from matplotlib.patches import Rectangle

from sweep.compare.comparison import comparison_table
from sweep.compare.curves import Curves
from sweep.compare.figures.found_boxes import RIGHT, WRONG, found_where
from sweep.compare.findings import Findings
from sweep.compare.found_boxes import EDGES, Gallery, gallery
from sweep.compare.outputs import drawings
from sweep.compare.records import HeardTeacher, SweepRecord, trials_of

Make = Callable[..., SweepRecord]
METHODS = ("labels_only", "fixed_kd", "ikd", "alm_kd")
# Of the rows beside the plain student and the baseline, alm_kd validates best.
REACHED = {"labels_only": 90.0, "fixed_kd": 70.0, "ikd": 60.0, "alm_kd": 80.0}
TEACHER = HeardTeacher("detector (width 16)", "any", False, (), True)
NOISIEST = 2
Line = tuple[str, str, float, int, tuple[float, float, float, float]]
# A box of each class, beside each other, and a crowd below.
TRUTH: tuple[Line, ...] = (
    ("truth", "7", 1.0, 0, (0.0, 0.0, 10.0, 10.0)),
    ("truth", "NA", 1.0, 0, (20.0, 0.0, 30.0, 10.0)),
    ("truth", "7", 1.0, 1, (0.0, 20.0, 30.0, 30.0)),
)


def _png(height: int = 30, width: int = 40) -> str:
    written = BytesIO()
    imsave(written, np.zeros((height, width, 3), np.uint8), format="png")
    return base64.b64encode(written.getvalue()).decode()


class Kept:
    """`sweep.compare.kept_tables.KeptTables`: of pictures 7 and 9, every cell as text; of every run
    what its student finds."""

    def __init__(self, found: Mapping[str, tuple[Line, ...]]) -> None:
        self.found = found

    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        if run_id not in self.found:
            return None
        if name == "pictures":
            told = {"title": "a.png", "height": 30, "width": 40, "png": _png()}
            return pd.DataFrame([{"row": row, **told} for row in (7, 9)]).astype(str)
        lines = (*TRUTH, *self.found[run_id])
        return pd.DataFrame(
            {"row": row, "who": who, "class": of, "score": score, "crowd": crowd,
             **dict(zip(EDGES, edges, strict=True))}
            for row in (7, 9)
            for who, of, score, crowd, edges in lines
        ).astype(str)  # fmt: skip


def _found(*lines: tuple[str, float, tuple[float, float, float, float]]) -> tuple[Line, ...]:
    return tuple(("student", name, score, 0, edges) for name, score, edges in lines)


@pytest.fixture(scope="module")
def record(make_record: Make) -> SweepRecord:
    """All rows but the plain one hear a teacher."""
    bare = make_record(
        lambda c, m, s: REACHED[m], methods=METHODS, baselines=("fixed_kd",), plain="labels_only"
    )
    cells = [cell for cell, (_, method) in bare.shown.items() if method != "labels_only"]
    return replace(bare, teachers={c: (TEACHER,) for c in cells}, example_tables="boxes")


def _run(record: SweepRecord, method: str, condition: int = NOISIEST, seed: int = 0) -> str:
    runs = trials_of(record, "confirm", record.conditions[condition], method)
    return str(runs[runs["seed"] == seed]["run_id"].iloc[0])


def _kept(record: SweepRecord, condition: int = NOISIEST, seed: int = 0) -> Kept:
    heard = ("teacher_1", "7", 0.9, 0, (0.0, 0.0, 10.0, 10.0))
    lines = (*_found(("7", 0.8, (0.0, 0.0, 10.0, 9.0))), heard)
    return Kept({_run(record, method, condition, seed): lines for method in METHODS})


def _of(record: SweepRecord, kept: Kept) -> Gallery:
    found = gallery(record, kept)
    assert found is not None
    return found


def _sight(record: SweepRecord, *lines: Any) -> Any:
    """What is made of what the plain student finds."""
    return _of(record, Kept({_run(record, METHODS[0]): _found(*lines)})).sights[METHODS[0]][0]


def test_the_teacher_stands_before_the_plain_student_the_baseline_and_the_best(
    record: SweepRecord,
) -> None:
    found = _of(record, _kept(record))
    assert list(found.sights) == ["Teacher: detector", "labels_only", "fixed_kd", "alm_kd"]
    assert found.best == "alm_kd"
    assert [picture.row for picture in found.pictures] == [7, 9]
    assert found.pictures[0].pixels.shape[:2] == (30, 40)
    assert [box.name for box in found.pictures[0].truth] == ["7", "NA", "7"]


def test_the_condition_with_the_most_noise_is_shown_of_those_that_kept_something(
    record: SweepRecord,
) -> None:
    both = Kept({**_kept(record).found, **_kept(record, 1).found})
    assert _of(record, both).condition == record.conditions[NOISIEST]
    assert _of(record, _kept(record, 1)).condition == record.conditions[1]


def test_the_first_seed_counts_under_which_all_runs_are_complete(record: SweepRecord) -> None:
    lost = _run(record, "labels_only")
    states = record.trials["state"].where(record.trials["run_id"] != lost, "failed")
    own = replace(record, trials=record.trials.assign(state=states))
    assert _of(own, _kept(own, seed=1)).seed == 1


def test_a_teacher_that_was_not_asked_is_left_out(record: SweepRecord) -> None:
    """And a student that finds nothing is not."""
    kept = Kept({_run(record, method): _found() for method in METHODS})
    found = _of(record, kept)
    assert list(found.sights) == ["labels_only", "fixed_kd", "alm_kd"]
    assert [len(sight.missed) for sight in found.sights["alm_kd"]] == [2, 2]


def test_nothing_is_shown_of_a_task_that_keeps_none(record: SweepRecord) -> None:
    assert gallery(replace(record, example_tables="timelines"), _kept(record)) is None
    assert gallery(record, Kept({})) is None


def test_a_box_is_right_where_it_overlaps_a_free_true_one_of_its_class_by_half(
    record: SweepRecord,
) -> None:
    """Of true boxes of 10 by 10: half of one is an overlap of 0.5, a little less is not."""
    sight = _sight(
        record,
        ("7", 0.9, (0.0, 0.0, 10.0, 5.0)),
        ("7", 0.8, (0.0, 0.0, 10.0, 10.0)),
        ("7", 0.7, (20.0, 0.0, 30.0, 10.0)),
        ("NA", 0.6, (20.0, 0.0, 30.0, 4.9)),
    )
    assert [box.right for box in sight.found] == [True, False, False, False]
    assert [box.name for box in sight.missed] == ["NA"]


def test_any_number_of_boxes_within_a_crowd_are_right(record: SweepRecord) -> None:
    inside = (0.0, 20.0, 5.0, 30.0)
    sight = _sight(record, ("7", 0.9, inside), ("7", 0.8, inside), ("NA", 0.7, inside))
    assert [box.right for box in sight.found] == [True, True, False]
    assert [box.name for box in sight.missed] == ["7", "NA"]


def test_a_box_that_was_cut_to_nothing_is_wrong(record: SweepRecord) -> None:
    """One whose place is in what fills a picture up has no width within it."""
    sight = _sight(record, ("7", 0.9, (10.0, 20.0, 10.0, 30.0)))
    assert [box.right for box in sight.found] == [False]


def test_the_ten_best_are_shown_of_those_that_score_enough(record: SweepRecord) -> None:
    edges = (0.0, 0.0, 10.0, 10.0)
    many = [("7", 0.30 + 0.01 * number, edges) for number in range(12)]
    sight = _sight(record, *many, ("7", 0.29, edges))
    assert [round(box.score, 2) for box in sight.found] == [
        0.41, 0.40, 0.39, 0.38, 0.37, 0.36, 0.35, 0.34, 0.33, 0.32,
    ]  # fmt: skip


def _edges(axes: Axes, colour: str) -> list[tuple[float, float, float, float]]:
    return [
        (*patch.get_xy(), patch.get_width(), patch.get_height())
        for patch in axes.patches
        if isinstance(patch, Rectangle) and to_hex(patch.get_edgecolor()) == colour.lower()
    ]


def test_boxes_are_drawn_on_the_pictures_in_the_colour_of_what_they_are(
    record: SweepRecord,
) -> None:
    lines = _found(("7", 0.9, (0.0, 0.0, 10.0, 9.0)), ("NA", 0.5, (5.0, 5.0, 9.0, 9.0)))
    figure = found_where(_of(record, Kept({_run(record, METHODS[0]): lines})))
    truth, _, student, _ = figure.axes
    assert [axes.get_ylabel() for axes in (truth, student)] == ["Truth", "labels_only"]
    assert truth.get_title() == "a.png"
    assert [text.get_text() for text in truth.texts] == ["7", "NA", "7"]
    assert _edges(student, RIGHT.colour) == [(0.0, 0.0, 10.0, 9.0)]
    assert _edges(student, WRONG.colour) == [(5.0, 5.0, 4.0, 4.0)]
    assert [text.get_text() for text in student.texts] == ["NA 0.50", "7 0.90"]
    (image,) = student.images
    assert list(image.get_extent()) == [0, 40, 30, 0]


def test_it_is_a_figure_of_the_report_where_there_is_something(record: SweepRecord) -> None:
    curves = Curves(pd.DataFrame(columns=["run_id", "epoch"]))
    table = comparison_table(record, 0)

    def captions(kept: Kept) -> dict[str, str]:
        origin: Any = None
        findings = Findings(record, origin, table, curves, pd.DataFrame, kept)
        return {d.stem: d.caption for d in drawings(findings) if d.stem == "found_where"}

    assert captions(Kept({})) == {}
    caption = captions(_kept(record))["found_where"]
    assert "(60 % noise, confirm seed 0)" in caption
    assert "with a score of 0.3 at least, at most 10 of a picture" in caption
    assert "alm_kd has the best validation accuracy" in caption

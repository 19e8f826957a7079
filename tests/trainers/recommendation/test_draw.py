"""What a lane has: splits by its seed, noise from streams of their own, what lists leave out."""

from dataclasses import replace

import numpy as np
import pytest

from tests.trainers.recommendation.cases import FRACTIONS, of_counts, pairs
from trainers.recommendation.data.draw import Draw, Drawn
from trainers.settings import Labels, LaneSource, SplitFractions

DATA = of_counts([8, 12, 20, 25, 30])
WITH_TEACHER = SplitFractions(0.3, 0.1, 0.1, 0.2, teacher=0.3)


def _drawn(fractions: SplitFractions = FRACTIONS, **changed: object) -> Drawn:
    source = LaneSource(**{"seed": 3, "labels": Labels("swap", 0.5), **changed})  # type: ignore[arg-type]
    return Draw(DATA, fractions).all([source])[0]


def test_lanes_have_equally_many_and_noise_changes_items_alone() -> None:
    sources = [
        LaneSource(1, Labels("swap", 0.3)), LaneSource(2, Labels("swap_popular", 0.3)),
        LaneSource(1, Labels("swap", 0.0)), LaneSource(1, Labels("swap", 0.3), ("a",)),
    ]  # fmt: skip
    first, other, clean, taught = Draw(DATA, FRACTIONS).all(sources)
    assert taught is first
    for split, of_split in first.rows.items():
        assert len(of_split) == len(other.rows[split])
        assert np.array_equal(of_split, clean.rows[split])
        assert np.array_equal(first.users[split], DATA.users[of_split])
        wrong = first.items[split] != DATA.items[of_split]
        assert wrong.sum() == (round(0.3 * len(of_split)) if split == "train" else 0)
    assert np.array_equal(clean.items["train"], DATA.items[clean.rows["train"]])


def test_teachers_learn_from_more_and_see_the_same_noise() -> None:
    student, teacher = _drawn(WITH_TEACHER), _drawn(WITH_TEACHER, is_teacher=True)
    n = len(student.rows["train"])
    assert set(student.rows) == {"train", "meta", "validation", "test"} == set(teacher.rows)
    for its, own in ((teacher.rows, student.rows), (teacher.items, student.items)):
        assert np.array_equal(its["train"][:n], own["train"])
        assert np.array_equal(its["test"], own["test"])
    more = teacher.rows["train"][n:]
    wrong = teacher.items["train"][n:] != DATA.items[more]
    assert wrong.sum() == round(0.5 * len(more))
    # Neither known pairs nor the false positives of students come again.
    assert len(pairs(teacher.users["train"], teacher.items["train"])) == len(teacher.rows["train"])


def test_false_positives_of_two_splits_are_apart() -> None:
    source = LaneSource(3, Labels("swap_popular", 1.0))
    lane = Draw(DATA, FRACTIONS, ("train", "meta", "validation")).all([source])[0]
    both = [pairs(lane.users[s], lane.items[s]) for s in ("train", "meta", "validation")]
    assert len(set().union(*both)) == sum(map(len, both))


@pytest.mark.parametrize("clean", ["train", "split"])
def test_clean_interactions_that_are_trained_on_come_last(clean: str) -> None:
    withheld, drawn = _drawn(), _drawn(clean=clean)
    n, meta = len(withheld.rows["train"]), withheld.rows["meta"]
    assert drawn.certain == (len(meta) if clean == "train" else len(meta) // 2)
    assert withheld.certain == 0
    assert np.array_equal(drawn.items["train"][:n], withheld.items["train"])
    added = drawn.rows["train"][n:]
    assert len(added) == drawn.certain
    assert set(added) <= set(meta)
    assert np.array_equal(drawn.items["train"][n:], DATA.items[added])
    if clean == "split":
        assert set(drawn.rows["meta"]) == set(meta) - set(added)
    with pytest.raises(ValueError, match="so it is not clean"):
        Draw(DATA, FRACTIONS, ("meta",)).all([LaneSource(1, Labels("swap", 0.1), clean=clean)])  # type: ignore[arg-type]


def test_lists_leave_out_what_stands_in_the_splits_before() -> None:
    for changed in ({}, {"clean": "train"}, {"clean": "split"}):
        drawn = _drawn(**changed)
        of = {split: pairs(drawn.users[split], drawn.items[split]) for split in drawn.rows}
        assert pairs(*drawn.known_before("train")) == set()
        assert pairs(*drawn.known_before("meta")) == of["train"]
        assert pairs(*drawn.known_before("validation")) == of["train"] | of["meta"]
        assert pairs(*drawn.known_before("test")) == of["train"] | of["meta"] | of["validation"]
        assert not pairs(*drawn.known_before("test")) & of["test"]


def test_less_of_the_meta_split_leaves_all_else_as_it_is() -> None:
    whole, part = _drawn(), _drawn(replace(FRACTIONS, clean=0.05))
    assert len(part.rows["meta"]) == 4
    assert np.array_equal(part.rows["meta"], whole.rows["meta"][:4])
    assert np.array_equal(part.items["train"], whole.items["train"])

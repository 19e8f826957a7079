"""Groups of utterances, which no split shares, and lines of digits, which come in some."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from tests.trainers.cases import Trial
from tests.trainers.ctc.cases import FRACTIONS, lanes, lines, spec_of
from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.digit_lines import BRIGHTEST, GROUPS, SHIFT, SIZE, digit_lines
from trainers.ctc.data.draw import TranscriptDraw
from trainers.ctc.entry import CTC
from trainers.data.fingerprint import fingerprint
from trainers.data.group_splits import group_problem, rows_by_group
from trainers.data.splits import STREAM
from trainers.data.tokenizer import PADDING
from trainers.lanes.seeds import numpy_generator
from trainers.loading import subset
from trainers.settings import Labels, LaneSource, SplitFractions

TEACHERS = SplitFractions(0.3, 0.1, 0.1, 0.2, teacher=0.3)


@pytest.mark.parametrize("fractions", [FRACTIONS, TEACHERS])
def test_no_group_is_in_two_splits_and_sizes_are_always_the_same(
    fractions: SplitFractions,
) -> None:
    dataset = lines(100)
    assert dataset.groups is not None
    seen = set()
    for seed in range(8):
        rows = rows_by_group(dataset, fractions, np.random.default_rng(seed))
        groups = [{*dataset.groups[own].tolist()} for own in rows.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))
        seen.add(tuple(len(own) for own in rows.values()))
        assert len(np.unique(np.concatenate([*rows.values()]))) == sum(map(len, rows.values()))
    (sizes,) = seen
    shares = fractions.drawn().values()
    assert sizes == tuple(5 * int(share * GROUPS + 1e-9) for share in shares)


@pytest.mark.parametrize("examples", [50, 73])
def test_so_it_is_where_groups_are_not_of_one_size(examples: int) -> None:
    """As of a part of a data set; the sizes are those of the smallest group."""
    part = subset(lines(100), examples)
    assert isinstance(part, Utterances)
    assert part.groups is not None
    counts = np.bincount(part.groups)
    assert counts.max() - counts.min() <= 1
    trials = [Trial(str(seed), seed, teachers=()) for seed in range(6)]
    data = lanes(trials, part)
    for drawn in data.drawn:
        groups = [{*part.groups[own].tolist()} for own in drawn.rows.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))
    assert data.size("train") == 10 * counts.min()


def test_the_clean_part_of_the_meta_split_is_its_beginning() -> None:
    draws = [rows_by_group(lines(), f, np.random.default_rng(3)) for f in (
        FRACTIONS, replace(FRACTIONS, clean=0.05)
    )]  # fmt: skip
    assert len(draws[1]["meta"]) == 4
    assert np.array_equal(draws[1]["meta"], draws[0]["meta"][:4])
    assert np.array_equal(draws[1]["train"], draws[0]["train"])


def test_a_check_shows_the_rows_that_a_lane_has() -> None:
    source = LaneSource(3, Labels("substitute", 0.0))
    drawn = TranscriptDraw(lines(), FRACTIONS).all([source])[0]
    shown = CTC.split_rows(lines(), FRACTIONS, numpy_generator(3, STREAM))
    for split, rows in drawn.rows.items():
        assert np.array_equal(shown[split], rows)


def test_splits_that_know_nothing_of_groups_are_refused() -> None:
    dataset = lines()
    folds = group_problem(dataset, replace(FRACTIONS, folds=4))
    assert folds is not None
    assert "give data.splits shares" in folds
    few = group_problem(dataset, replace(FRACTIONS, meta=0.04))
    assert few == "data.splits.meta: 0.04 of 20 groups is none; give it 0.05 at least"
    assert group_problem(dataset, FRACTIONS) is None
    official = replace(dataset, official_test=10)
    assert group_problem(official, replace(FRACTIONS, test=None)) is not None
    assert group_problem(replace(dataset, groups=None), replace(FRACTIONS, folds=4)) is None
    usable = CTC.usable(dataset, spec_of(), Labels("substitute", 0.3))
    assert usable is None


# Lines of digits.


def _pictures() -> np.ndarray:
    pictures, _ = load_digits(return_X_y=True)
    return (pictures / BRIGHTEST).reshape(-1, SIZE, SIZE)


def _found(window: np.ndarray, pictures: np.ndarray) -> set[int]:
    """Which pictures a window (8, rows) of a line shows, at any height."""
    found = set()
    for top in range(2 * SHIFT + 1):
        same = (np.abs(pictures - window[:, top : top + SIZE].T) < 1e-6).all((1, 2))
        rest = np.delete(window, np.s_[top : top + SIZE], axis=1)
        if not rest.any():
            found |= {*np.flatnonzero(same).tolist()}
    return found


def test_spans_hold_the_digits_and_groups_share_no_picture() -> None:
    dataset, pictures = digit_lines(200, 2, 4, 0.0), _pictures()
    _, classes = load_digits(return_X_y=True)
    assert dataset.spans is not None
    assert dataset.groups is not None
    shown: dict[int, set[int]] = {}
    apart = 0
    for row, spans in enumerate(dataset.spans):
        own = spans[dataset.labels[row] != PADDING]
        for place, (begin, end) in enumerate(own):
            assert end - begin == SIZE
            others = np.delete(own, place, axis=0)
            if ((others[:, 0] < end) & (others[:, 1] > begin)).any():
                continue  # they overlap
            found = _found(dataset.frames[row, begin:end], pictures)
            assert {int(classes[i]) for i in found} == {int(dataset.labels[row, place]) - 1}
            shown.setdefault(int(dataset.groups[row]), set()).update(found)
            apart += 1
    assert apart > 400
    assert len(shown) == GROUPS
    assert sum(map(len, shown.values())) == len(set.union(*shown.values()))
    # Nothing but digits is drawn.
    inside = np.zeros(dataset.frames.shape[:2], dtype=bool)
    for row, spans in enumerate(dataset.spans):
        for begin, end in spans[dataset.labels[row] != PADDING]:
            inside[row, begin:end] = True
    assert not dataset.frames[~inside].any()


def test_lines_are_always_the_same_and_of_the_lengths_that_are_asked_for() -> None:
    dataset = digit_lines(100, 2, 4, 0.25)
    assert fingerprint(dataset) == fingerprint(digit_lines(100, 2, 4, 0.25))
    lengths = (dataset.labels != PADDING).sum(1)
    assert {*lengths.tolist()} == {2, 3, 4}
    assert np.array_equal(np.bincount(dataset.groups), np.full(GROUPS, 5))
    assert dataset.problem(spec_of()) is None
    assert dataset.lengths.max() <= dataset.shape[0]
    behind = np.arange(dataset.shape[0]) >= dataset.lengths[:, None]
    assert not dataset.frames[behind].any()
    assert dataset.frames[~behind].std() > 0.25

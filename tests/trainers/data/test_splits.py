"""Folds: each tested once, the rest in proportion, of one size for lanes side by side; and examples
that teachers alone are trained on."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from tests.trainers.specimens import spec_of
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData
from trainers.data.errors import DataError
from trainers.data.splits import FOLDS, rows_of_fold, split_rows
from trainers.lanes.seeds import numpy_generator
from trainers.loading import load_dataset
from trainers.settings import Fold, Labels, LaneSource, SplitFractions


def _rows(labels: np.ndarray, folds: int, number: int, seed: int = 3) -> Mapping[str, np.ndarray]:
    fractions = SplitFractions(0.4, 0.1, 0.2, 1 / folds)
    rng = numpy_generator(seed + 1 + number, "split")
    tested = rows_of_fold(labels, Fold(number, folds, seed), numpy_generator(seed, FOLDS))
    return split_rows(labels, fractions, rng, tested=tested)


@pytest.mark.parametrize(("examples", "folds"), [(100, 5), (103, 5), (30, 30), (7, 2)])
def test_every_example_is_tested_once_and_never_trained_on_there(examples: int, folds: int) -> None:
    labels = np.random.default_rng(0).integers(0, 3, examples)
    dealt = [_rows(labels, folds, number) for number in range(folds)]
    tested = np.concatenate([rows["test"] for rows in dealt])
    assert len(tested) == len(set(tested.tolist())) == examples // folds * folds
    for rows in dealt:
        together = np.concatenate(list(rows.values()))
        assert len(together) == len(set(together.tolist()))
        assert {split: len(of) for split, of in rows.items()} == {
            split: len(of) for split, of in dealt[0].items()
        }


def test_classes_keep_their_shares_in_every_split_of_every_fold() -> None:
    labels = np.repeat([0, 1, 2], [200, 100, 50])
    for number in range(5):
        for rows in _rows(labels, 5, number).values():
            counts = np.bincount(labels[rows], minlength=3)
            assert np.abs(counts - np.array([4, 2, 1]) / 7 * len(rows)).max() <= 3


def test_the_parts_are_of_the_seed_of_the_whole_and_the_rest_of_each() -> None:
    labels = np.random.default_rng(0).integers(0, 3, 100)
    one, again, other = _rows(labels, 5, 0), _rows(labels, 5, 0), _rows(labels, 5, 0, seed=4)
    assert all((one[split] == again[split]).all() for split in one)
    assert set(one["test"].tolist()) != set(other["test"].tolist())


def test_lanes_of_all_folds_stand_side_by_side() -> None:
    dataset = load_dataset(spec_of("digits"))
    assert isinstance(dataset, Dataset)
    labels, fractions = Labels("symmetric", 0.2), SplitFractions(0.5, 0.1, 0.15, 0.25)
    sources = [LaneSource(1 + i, labels, fold=Fold(i, 4, 0)) for i in range(4)]
    data = LaneData(dataset, fractions, sources, {}, torch.device("cpu"))
    trained = [set(data.training_labels(lane).rows.tolist()) for lane in range(4)]
    assert data.size("test") == 1797 // 4
    assert all(len(rows) == data.size("train") for rows in trained)
    assert len(trained[0] & trained[1]) < len(trained[0])


def test_more_folds_than_examples_are_refused() -> None:
    fractions = SplitFractions(0.4, 0.1, 0.2, 1 / 2000, folds=2000)
    with pytest.raises(DataError, match=r"confirm.folds: 1797 examples .* into 2000 folds; lower"):
        load_dataset(spec_of("digits", fractions=fractions))


def _data(is_teacher: bool, teacher: float | None = 0.2, **others: object) -> LaneData:
    dataset = load_dataset(spec_of("digits"))
    assert isinstance(dataset, Dataset)
    fractions = SplitFractions(0.3, 0.1, 0.15, 0.25, teacher=teacher)
    source = LaneSource(1, Labels("symmetric", 0.4), is_teacher=is_teacher, **others)  # type: ignore[arg-type]
    return LaneData(dataset, fractions, [source], {}, torch.device("cpu"))


def test_teachers_are_trained_on_more_and_students_on_the_same_as_ever() -> None:
    plain, student, teacher = _data(False, None), _data(False), _data(True)
    for split in ("train", "meta", "validation", "test"):
        assert torch.equal(plain.rows(split), student.rows(split))
        assert torch.equal(plain.labels(split), student.labels(split))
    n = student.size("train")
    assert teacher.size("train") == n + int(0.2 * 1797)
    assert torch.equal(teacher.rows("train")[:, :n], student.rows("train"))
    assert torch.equal(teacher.labels("train")[:, :n], student.labels("train"))
    # Theirs are noisy alike, and of no other split.
    assert teacher.corrupted[0, n:].double().mean().item() == pytest.approx(0.4, abs=0.01)
    theirs = set(teacher.rows("train")[0, n:].tolist())
    for split in ("train", "meta", "validation", "test"):
        assert not theirs & set(student.rows(split)[0].tolist())


def test_clean_labels_that_are_trained_on_come_after_those_of_the_teacher() -> None:
    student = _data(False, clean="train")
    assert student.certain == int(0.1 * 1797)
    assert student.size("train") == int(0.3 * 1797) + student.certain

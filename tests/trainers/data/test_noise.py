"""Label noise: how many labels go wrong, to which classes, and that a seed says which."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainers.cases import CPU, FRACTIONS, made_up_dataset
from trainers.classification.data.datasets import DATASETS
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.data.noise import (
    NOISE_KINDS,
    Examples,
    corrupt_labels,
    noise_problem,
    realised_rate,
    transition_matrix,
)
from trainers.data.splits import split_rows
from trainers.lanes.seeds import numpy_generator
from trainers.settings import SPLITS, CleanUse, Labels, LaneSource

SHARES = (0.5, 0.3, 0.2)
# Kinds that give a share of the examples a wrong label each.
EXACT = ("symmetric", "pair", "instance")
RANDOM = ("symmetric", "uniform", "pair", "asymmetric", "instance")


def _examples(n: int, seed: int = 0) -> Examples:
    rng = np.random.default_rng(seed)
    y = rng.choice(3, size=n, p=SHARES)
    given = (y + (rng.random(n) < 0.2)) % 3
    return Examples(y, 3, rng.normal(size=(n, 4)), np.arange(n), given, ((0, 2), (2, 1)))


def _noisy(examples: Examples, kind: str, rate: float, seed: int = 0) -> np.ndarray:
    return corrupt_labels(examples, kind, rate, np.random.default_rng(seed))


def _of_class(c: int, n: int, classes: int, inputs: np.ndarray | None = None) -> Examples:
    x = np.zeros((n, 1)) if inputs is None else inputs
    return Examples(np.full(n, c), classes, x, np.arange(n))


@pytest.mark.parametrize("kind", EXACT)
@given(n=st.integers(0, 100), rate=st.floats(0, 1), seed=st.integers(0, 99))
def test_noise_corrupts_the_exact_count_and_never_to_the_true_class(
    kind: str, n: int, rate: float, seed: int
) -> None:
    examples = _examples(n, seed)
    before = examples.y.copy()
    noisy = _noisy(examples, kind, rate, seed)
    assert (noisy != before).sum() == round(rate * n)
    assert ((noisy >= 0) & (noisy < 3)).all()
    assert (examples.y == before).all()


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_rate_zero_is_the_truth_whatever_the_kind(kind: str) -> None:
    examples = _examples(50)
    assert (_noisy(examples, kind, 0.0) == examples.y).all()


@pytest.mark.parametrize("kind", RANDOM)
def test_draw_says_which_labels_go_wrong(kind: str) -> None:
    examples = _examples(200)
    first, again, other = (_noisy(examples, kind, 0.4, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("kind", RANDOM)
def test_more_noise_is_more_errors(kind: str) -> None:
    examples = _examples(2000)
    low, high = (realised_rate(examples.y, _noisy(examples, kind, r)) for r in (0.2, 0.6))
    assert 0 < low < high


def test_symmetric_noise_reaches_every_other_class_alike() -> None:
    noisy = _noisy(_of_class(0, 6000, 4), "symmetric", 1.0)
    counts = np.bincount(noisy, minlength=4)
    assert counts[0] == 0
    assert counts[1:] == pytest.approx(2000, abs=150)


def test_uniform_noise_leaves_one_in_c_of_the_chosen_right() -> None:
    noisy = _noisy(_of_class(2, 8000, 4), "uniform", 0.5)
    counts = np.bincount(noisy, minlength=4)
    assert counts[[0, 1, 3]] == pytest.approx(1000, abs=120)
    assert realised_rate(np.full(8000, 2), noisy) == pytest.approx(0.5 * 3 / 4, abs=0.02)


def test_pair_noise_gives_the_next_class_alone() -> None:
    examples = Examples(np.arange(400) % 4, 4, np.zeros((400, 1)), np.arange(400))
    noisy = _noisy(examples, "pair", 0.45)
    wrong = noisy != examples.y
    assert wrong.sum() == 180
    assert (noisy[wrong] == (examples.y[wrong] + 1) % 4).all()


def test_asymmetric_noise_is_the_map_at_the_rate_within_its_classes() -> None:
    examples = _examples(9000)
    expected = [[0.7, 0.0, 0.3], [0.0, 1.0, 0.0], [0.0, 0.3, 0.7]]
    found = transition_matrix(examples.y, _noisy(examples, "asymmetric", 0.3), 3)
    assert np.abs(found - expected).max() < 0.03
    assert ((found > 0) == (np.array(expected) > 0)).all()


def test_usual_map_of_cifar10_is_of_classes_that_look_alike() -> None:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
             "truck")  # fmt: skip
    assert {(names[a], names[b]) for a, b in DATASETS["cifar10"].noise_defaults["class_map"]} == {
        ("truck", "automobile"), ("bird", "airplane"), ("deer", "horse"), ("cat", "dog"),
        ("dog", "cat"),
    }  # fmt: skip


def test_instance_noise_depends_on_the_input() -> None:
    """The same draw on other inputs flips the same examples, to other classes."""
    rng = np.random.default_rng(3)
    one, other = (_of_class(1, 500, 5, rng.normal(size=(500, 6))) for _ in range(2))
    first, second = (_noisy(x, "instance", 0.5) for x in (one, other))
    assert ((first != 1) == (second != 1)).all()
    assert (first != second).any()


def test_instance_noise_takes_like_inputs_for_the_same_class() -> None:
    """Far from the origin the projection decides: one wrong class for equal inputs."""
    x = 1000 * np.random.default_rng(3).normal(size=(20, 6))
    examples = _of_class(1, 2000, 5, np.repeat(x, 100, axis=0))
    noisy = _noisy(examples, "instance", 0.5).reshape(20, 100)
    wrong = [set(row[row != 1]) for row in noisy]
    assert all(len(classes) == 1 for classes in wrong)
    assert len(set.union(*wrong)) > 1


def test_instance_noise_at_the_origin_is_symmetric() -> None:
    counts = np.bincount(_noisy(_of_class(0, 6000, 4), "instance", 0.5), minlength=4)
    assert counts[0] == 3000
    assert counts[1:] == pytest.approx(1000, abs=120)


def test_instance_noise_is_the_published_law_of_the_wrong_class() -> None:
    """One input many times: shares of wrong classes are softmax(x W_y) without the true one."""
    n, x = 20_000, np.array([[0.3, -1.2]])
    examples = _of_class(0, n, 3, np.repeat(x, n, axis=0))
    noisy = _noisy(examples, "instance", 0.5, seed=8)
    ratio = np.log((noisy == 1).sum() / (noisy == 2).sum())
    rng = np.random.default_rng(8)
    drawn = rng.normal(0.5, 0.1, n)
    assert ((drawn > 0) & (drawn < 1)).all()  # else more would be drawn, and W be another
    rng.random(n)
    rng.random(n)
    w = rng.standard_normal((2, 3), dtype=np.float32)
    expected = (x @ w)[0]
    assert ratio == pytest.approx(expected[1] - expected[2], abs=0.1)


def test_file_noise_is_the_labels_of_the_file() -> None:
    examples = _examples(100)
    assert (_noisy(examples, "file", 0.2) == examples.given).all()


def test_realised_rate_and_transitions_are_counted() -> None:
    y, given = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 2, 1, 0])
    assert realised_rate(y, given) == pytest.approx(2 / 6)
    expected = [[0.75, 0, 0.25], [0.5, 0.5, 0], [0, 0, 0]]
    assert transition_matrix(y, given, 3).tolist() == expected
    empty = np.array([], dtype=np.int64)
    assert realised_rate(empty, empty) == 0


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (Labels("file", 0.5), "0.25"),
        (Labels("file", 0.24), "0.25"),
        (Labels("asymmetric", 0.4), "7 is no class"),
    ],
)
def test_noise_that_cannot_be_had_is_named(labels: Labels, word: str) -> None:
    y, given = np.array([0, 1, 2, 0]), np.array([0, 1, 2, 2])
    said = noise_problem(y, 3, labels, given, ((0, 7),))
    assert said is not None
    assert word in said
    for fine in (Labels("file", 0.25), Labels("file", 0.0), Labels("symmetric", 0.5)):
        assert noise_problem(y, 3, fine, given, ((0, 7),)) is None


# In the lanes of a cohort


def _lane_data(*sources: LaneSource, **treatment: object) -> LaneData:
    given = made_up_dataset().labels[::-1].copy()
    dataset = replace(made_up_dataset(), file_labels=given)
    spec = Treatment(class_map=((0, 1),), **treatment)  # type: ignore[arg-type]
    return LaneData(dataset, FRACTIONS, sources, {}, CPU, spec)


def test_symmetric_draw_of_a_seed_is_what_it_always_was() -> None:
    """Results that are on record depend on it: written out here once more."""
    dataset = made_up_dataset()
    data = _lane_data(LaneSource(11, Labels("symmetric", 0.4)))
    rows = split_rows(dataset.labels, FRACTIONS, numpy_generator(11, "split"))["train"]
    y, rng = dataset.labels[rows].copy(), numpy_generator(11, "noise", "symmetric")
    chosen = rng.permutation(len(y))[: round(0.4 * len(y))]
    y[chosen] = (y[chosen] + rng.integers(1, 5, size=len(chosen))) % 5
    assert np.array_equal(data.labels("train")[0].numpy(), y)


def test_instance_noise_of_a_lane_looks_at_its_own_inputs() -> None:
    dataset = made_up_dataset()
    data = _lane_data(LaneSource(11, Labels("instance", 0.4)))
    rows = split_rows(dataset.labels, FRACTIONS, numpy_generator(11, "split"))["train"]
    x = dataset.inputs[rows]
    examples = Examples(dataset.labels[rows], dataset.classes, x, np.arange(len(rows)))
    expected = corrupt_labels(examples, "instance", 0.4, numpy_generator(11, "noise", "instance"))
    assert np.array_equal(data.labels("train")[0].numpy(), expected)


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_lane_has_its_noise_in_any_company(kind: str) -> None:
    sources = [LaneSource(seed, Labels(kind, 0.4)) for seed in (1, 2, 1)]
    together = _lane_data(*sources)
    for lane, source in enumerate(sources):
        alone = _lane_data(source)
        assert (together.labels("train")[lane] == alone.labels("train")[0]).all()
    assert together.corrupted.any(1).all()


@pytest.mark.parametrize("kind", NOISE_KINDS)
@pytest.mark.parametrize("noisy", [("train",), ("train", "meta"), ("validation",), ("meta",)])
def test_noise_falls_where_the_spec_says_and_never_on_the_test_split(
    kind: str, noisy: tuple[str, ...]
) -> None:
    clean = _lane_data(LaneSource(1, Labels(kind, 0.0)), noisy_splits=noisy)
    data = _lane_data(LaneSource(1, Labels(kind, 0.4)), noisy_splits=noisy)
    for split in SPLITS:
        differs = bool((data.labels(split) != clean.labels(split)).any())
        assert differs == (split in noisy), split


def test_noise_of_one_split_is_the_same_whichever_others_have_any() -> None:
    source = LaneSource(1, Labels("symmetric", 0.4))
    alone, both = _lane_data(source), _lane_data(source, noisy_splits=("train", "meta"))
    assert (alone.labels("train") == both.labels("train")).all()


@pytest.mark.parametrize("clean", ["train", "split"])
def test_a_noisy_meta_split_is_not_trained_on(clean: CleanUse) -> None:
    source = LaneSource(1, Labels("symmetric", 0.4), clean=clean)
    with pytest.raises(ValueError, match="noise falls on the meta split"):
        _lane_data(source, noisy_splits=("train", "meta"))


def test_lanes_know_what_they_were_told_and_what_is_true() -> None:
    sources = [LaneSource(s, Labels(k, r)) for s, k, r in ((1, "symmetric", 0.4), (2, "pair", 0.2))]
    data = _lane_data(*sources)
    n = data.size("train")
    told = [data.training_labels(lane) for lane in (0, 1)]
    rates = [realised_rate(labels.true, labels.given) for labels in told]
    assert rates == pytest.approx([round(0.4 * n) / n, round(0.2 * n) / n])
    matrix = transition_matrix(told[1].true, told[1].given, 5)
    assert matrix.sum(axis=1) == pytest.approx(1)
    assert ((matrix > 0) == (np.eye(5) + np.roll(np.eye(5), 1, axis=1) > 0)).all()
    dataset = made_up_dataset()
    assert (dataset.labels[told[1].rows] == told[1].true).all()
    data.keep(torch.tensor([1]))
    assert (data.training_labels(0).rows == told[1].rows).all()

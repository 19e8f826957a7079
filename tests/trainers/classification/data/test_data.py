import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainers.cases import CPU, FRACTIONS, made_up_dataset
from trainers.classification.data.lanes import LaneData
from trainers.data.splits import split_rows
from trainers.lanes.shared import once
from trainers.settings import SPLITS, Labels, LaneSource, SplitFractions

SHARES = (0.5, 0.3, 0.2)


def _labels(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).choice(3, size=n, p=SHARES)


@given(n=st.integers(1, 200), seed=st.integers(0, 99), shares=st.permutations([0.4, 0.1, 0.2, 0.3]))
def test_splits_are_disjoint_and_their_sizes_fixed(n: int, seed: int, shares: list[float]) -> None:
    fractions = SplitFractions(*shares)
    rows = split_rows(_labels(n, seed), fractions, np.random.default_rng(seed))
    everything = np.concatenate([rows[name] for name in SPLITS])
    assert len(set(everything)) == len(everything)
    assert set(everything) <= set(range(n))
    assert [len(rows[name]) for name in SPLITS] == [int(f * n + 1e-9) for f in shares]


def test_splits_use_every_example_when_the_shares_divide() -> None:
    rows = split_rows(_labels(100, 0), SplitFractions(0.5, 0.1, 0.2, 0.2), np.random.default_rng(1))
    assert sorted(np.concatenate(list(rows.values()))) == list(range(100))


@given(st.integers(0, 99))
def test_splits_keep_the_shares_of_the_classes(seed: int) -> None:
    labels = _labels(500, 0)
    rows = split_rows(labels, SplitFractions(0.5, 0.1, 0.2, 0.2), np.random.default_rng(seed))
    for part in rows.values():
        for c in range(len(SHARES)):
            expected = (labels == c).mean() * len(part)
            assert abs((labels[part] == c).sum() - expected) <= 2


def test_splits_differ_by_seed_only() -> None:
    labels = _labels(100, 0)
    first, again, other = (
        split_rows(labels, FRACTIONS, np.random.default_rng(seed))["train"] for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def _lane_data(*sources: LaneSource) -> LaneData:
    return LaneData(made_up_dataset(), FRACTIONS, sources, {}, CPU)


def test_only_training_labels_are_corrupted() -> None:
    noisy = _lane_data(LaneSource(1, Labels("symmetric", 0.4)))
    clean = _lane_data(LaneSource(1, Labels("symmetric", 0.0)))
    n = noisy.size("train")
    assert noisy.corrupted.sum() == round(0.4 * n)
    assert (noisy.corrupted == (noisy.labels("train") != clean.labels("train"))).all()
    assert not clean.corrupted.any()
    for split in ("meta", "validation", "test"):
        assert (noisy.labels(split) == clean.labels(split)).all()


def test_a_seed_names_a_split_and_its_noise_in_any_company() -> None:
    sources = [LaneSource(seed, Labels("symmetric", 0.4)) for seed in (1, 2, 1)]
    together = _lane_data(*sources)
    for lane, source in enumerate(sources):
        alone = _lane_data(source)
        assert (together.labels("train")[lane] == alone.labels("train")[0]).all()
    assert (together.labels("train")[0] == together.labels("train")[2]).all()
    assert (together.labels("train")[0] != together.labels("train")[1]).any()


def test_a_higher_rate_corrupts_the_same_examples_and_more() -> None:
    """One permutation per seed: conditions of a seed differ in the rate and in nothing else."""
    sources = [LaneSource(5, Labels("symmetric", rate)) for rate in (0.2, 0.6)]
    low, high = _lane_data(*sources).corrupted
    assert (high | ~low).all()


def test_lanes_of_one_seed_have_their_inputs_once_and_the_values_of_each_alone() -> None:
    sources = [LaneSource(seed, Labels("symmetric", 0.4)) for seed in (5, 3, 3)]
    mixed, same = _lane_data(*sources), _lane_data(*sources[1:])
    places = torch.arange(6)
    apart = mixed.batch("train", places.expand(3, -1))
    mixed.keep(torch.tensor([2, 1]))
    for data in (mixed, same):
        shared = data.batch("train", places.expand(2, -1))
        assert shared.inputs.stride(0) == 0
        assert torch.equal(shared.inputs, apart.inputs[1:])
        assert torch.equal(shared.targets.labels, apart.targets.labels[1:])
        index = torch.stack([places, places.flip(0)])
        turned = data.batch("train", index).inputs
        assert torch.equal(turned[0], apart.inputs[1])
        assert torch.equal(turned[1], apart.inputs[1].flip(0))


def test_rows_are_in_memory_once_only_where_all_are_the_same() -> None:
    rows = torch.tensor([[1, 2], [1, 2], [1, 3]])
    assert once(rows) is rows
    assert once(rows[:2]).stride() == (0, 1)
    assert torch.equal(once(rows[:2]), rows[:2])

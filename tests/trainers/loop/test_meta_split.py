"""What changes, and what does not, where clean examples of the meta split are trained on."""

import numpy as np
import pytest
import torch

from trainers.classification.data.lanes import LaneData
from trainers.loading import load_dataset
from trainers.settings import SPLITS, CleanUse, DataSpec, Labels, LaneSource, SplitFractions

FRACTIONS = SplitFractions(0.45, 0.1, 0.2, 0.25)


def data_of(*clean: CleanUse, share: float | None = None) -> LaneData:
    fractions = SplitFractions(0.45, 0.1, 0.2, 0.25, share)
    sources = [LaneSource(3, Labels("symmetric", 0.4), (), use) for use in clean]
    return LaneData(
        load_dataset(DataSpec("digits", fractions)), fractions, sources, {}, torch.device("cpu")
    )


def rows_of(data: LaneData, split: str) -> list[int]:
    """The examples of a split of the first lane, by row in the data set."""
    places = torch.arange(data.size(split)).unsqueeze(0)
    everything = load_dataset(DataSpec("digits", FRACTIONS)).inputs
    known = {row.tobytes(): i for i, row in enumerate(everything)}
    return [known[x.numpy().tobytes()] for x in data.batch(split, places).inputs[0]]


def test_the_meta_split_comes_after_the_training_split_with_its_true_labels() -> None:
    apart, joined = data_of("withhold"), data_of("train")
    n, n_meta = apart.size("train"), apart.size("meta")
    assert joined.size("train") == n + n_meta
    assert (apart.certain, joined.certain) == (0, n_meta)
    np.testing.assert_array_equal(joined.labels("train")[:, :n], apart.labels("train"))
    np.testing.assert_array_equal(joined.labels("train")[:, n:], apart.labels("meta"))
    np.testing.assert_array_equal(joined.corrupted[:, :n], apart.corrupted)
    assert not joined.corrupted[:, n:].any()
    places = torch.arange(n_meta).unsqueeze(0)
    added = joined.batch("train", places + n)
    torch.testing.assert_close(added.inputs, apart.batch("meta", places).inputs)


@pytest.mark.parametrize("clean", ["train", "split"])
def test_no_other_split_changes(clean: CleanUse) -> None:
    apart, joined = data_of("withhold"), data_of(clean)
    for split in ("validation", "test", *(["meta"] if clean == "train" else [])):
        np.testing.assert_array_equal(joined.labels(split), apart.labels(split))
        assert rows_of(joined, split) == rows_of(apart, split)


def test_of_a_split_meta_split_one_half_is_trained_on_and_the_other_held_out() -> None:
    apart, halved = data_of("withhold"), data_of("split")
    n, clean = apart.size("train"), rows_of(apart, "meta")
    trained, held_out = rows_of(halved, "train")[n:], rows_of(halved, "meta")
    assert sorted(trained + held_out) == sorted(clean)
    assert len(held_out) - len(trained) == len(clean) % 2
    assert halved.certain == len(trained)
    assert rows_of(halved, "train")[:n] == rows_of(apart, "train")
    # Drawn by the seed, and not the first half, whatever the order.
    assert trained != clean[: len(trained)]
    assert rows_of(data_of("split"), "meta") == held_out


@pytest.mark.parametrize("share", [0.01, 0.02, 0.05, 0.1])
def test_a_share_of_the_meta_split_is_its_beginning_and_changes_nothing_else(share: float) -> None:
    whole, part = data_of("withhold"), data_of("withhold", share=share)
    count = int(share * 1797)
    assert rows_of(part, "meta") == rows_of(whole, "meta")[:count]
    for split in (s for s in SPLITS if s != "meta"):
        assert rows_of(part, split) == rows_of(whole, split)
        np.testing.assert_array_equal(part.labels(split), whole.labels(split))

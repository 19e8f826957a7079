"""What changes, and what does not, where a method trains on the clean meta split too."""

import numpy as np
import torch

from sweep.plan.plan import Plan
from sweep.plan.tasks import search_cohort
from sweep.spec.reader import read_spec
from trainers.classification.data.lanes import LaneData
from trainers.loading import load_dataset
from trainers.settings import SPLITS, DataSpec, Labels, LaneSource, SplitFractions

FRACTIONS = SplitFractions(0.45, 0.1, 0.2, 0.25)


def data_of(*train_on_meta: bool) -> LaneData:
    sources = [LaneSource(3, Labels("symmetric", 0.4), (), on) for on in train_on_meta]
    return LaneData(
        load_dataset(DataSpec("digits", FRACTIONS)), FRACTIONS, sources, {}, torch.device("cpu")
    )


def test_the_meta_split_comes_after_the_training_split_with_its_true_labels() -> None:
    apart, joined = data_of(False), data_of(True)
    n, n_meta = apart.size("train"), apart.size("meta")
    assert joined.size("train") == n + n_meta
    np.testing.assert_array_equal(joined.labels("train")[:, :n], apart.labels("train"))
    np.testing.assert_array_equal(joined.labels("train")[:, n:], apart.labels("meta"))
    np.testing.assert_array_equal(joined.corrupted[:, :n], apart.corrupted)
    assert not joined.corrupted[:, n:].any()
    places = torch.arange(n_meta).unsqueeze(0)
    added = joined.batch("train", places + n)
    torch.testing.assert_close(added.inputs, apart.batch("meta", places).inputs)


def test_no_other_split_changes() -> None:
    apart, joined = data_of(False), data_of(True)
    for split in SPLITS[1:]:
        np.testing.assert_array_equal(joined.labels(split), apart.labels(split))


def test_it_holds_for_the_methods_that_do_not_learn_from_it_and_for_no_teacher() -> None:
    plan = Plan(read_spec("digits", ["meta_split_for_baselines=train"]))
    withheld = Plan(read_spec("digits"))
    joined = {}
    for cell in plan.cells:
        lanes = search_cohort(plan, cell, {0: {}, 1: {}}, 0).lanes
        joined[cell.use.label] = {lane.source.train_on_meta for lane in lanes}
    assert joined == {"alm_kd": {False}, "fixed_kd": {True}, "cross_entropy": {True}}
    assert not any(withheld.trains_on_meta(cell) for cell in withheld.cells)
    assert [job.key for job in plan.teachers] == [job.key for job in withheld.teachers]

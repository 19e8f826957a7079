"""`confirm.folds`: the confirm runs of a cell are the parts of a cross-validation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from sweep.errors import BadInput
from sweep.plan.change import refuse_change
from sweep.plan.plan import Plan, spec_hash
from sweep.plan.tasks import confirm_cohort, search_cohort, teacher_cohort
from sweep.spec.reader import check_spec
from sweep.spec.stored import migrated, written
from tests.sweep.specs import small_data, small_spec
from trainers.settings import Fold


def _spec(folds: int = 5, changes: Mapping[str, Any] | None = None) -> Any:
    return small_spec({"confirm": {"folds": folds}, **(changes or {})})


def test_each_confirm_seed_is_a_fold_and_the_search_is_none() -> None:
    plan = Plan(_spec(changes={"seed": 7}))
    search = plan.searches[0]
    assert plan.confirm_seeds == (8, 9, 10, 11, 12)
    lanes = confirm_cohort(plan, search, 0, {}, plan.confirm_seeds).lanes
    assert [lane.source.fold for lane in lanes] == [Fold(i, 5, 7) for i in range(5)]
    trials = search_cohort(plan, search, {0: {}}, 0)
    assert [lane.source.fold for lane in trials.lanes] == [None]
    for jobs in plan.teacher_cohorts:
        folds = [lane.source.fold for lane in teacher_cohort(jobs).lanes]
        assert folds == [plan.spec.fold(job.seed) for job in jobs]
        assert len({fold is None for fold in folds}) == 1


def test_the_search_of_a_seed_is_under_its_fold() -> None:
    plan = Plan(_spec(changes={"search.per_seed": True}))
    own = plan.searches_of(plan.cells[0])[2]
    assert search_cohort(plan, own, {0: {}}, 0).lanes[0].source.fold == Fold(2, 5, 0)


def test_other_shares_keep_their_proportion() -> None:
    fractions = _spec(10).data_settings().fractions
    assert fractions.test == pytest.approx(0.1)
    of_rest = np.array([fractions.train, fractions.meta, fractions.validation]) / 0.9
    assert of_rest == pytest.approx(np.array([0.4, 0.1, 0.2]) / 0.75)


def test_a_teacher_of_a_fold_is_another_one() -> None:
    keys = [{job.key for job in Plan(spec).teachers} for spec in (small_spec(), _spec(3))]
    assert len(keys[0]) == len(keys[1])
    assert not keys[0] & keys[1]
    four = {job.key for job in Plan(_spec(4)).teachers}
    assert not keys[1] & four


def test_specs_without_folds_are_what_they_were() -> None:
    spec = small_spec()
    assert "folds" not in written(spec)["confirm"]
    # Pinned, as sweeps keep them.
    assert spec_hash(spec) == "151d2448bb40"
    assert Plan(spec).teachers[0].key == "a5faf215ac6832e7-1"


def test_a_stored_spec_is_read_again() -> None:
    spec = _spec()
    kept = written(spec)
    assert kept["confirm"] == {"seeds": 5, "folds": 5}
    assert check_spec(migrated(kept), "kept") == spec


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"confirm": {"folds": 5, "seeds": 10}}, "confirm.seeds: 10 stands beside folds 5"),
        ({"confirm": {"folds": 1}}, "confirm.folds: 1 (a whole number)"),
        ({"confirm": {"folds": "5"}}, "confirm.folds: '5' (text)"),
        ({"data.splits": {"file": "s.csv"}}, "confirm.folds: the splits are those of s.csv"),
        (
            {"data": {"dataset": "fashion_mnist", "splits": {"test": "official"}}},
            "confirm.folds: every example is tested once, and data.splits.test: official keeps",
        ),
        ({"confirm": {"folds": 2}, "data.clean": 0.09}, "data.clean: 0.09 is more than the meta"),
    ],
)
def test_what_clashes_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_spec(small_data({"confirm": {"folds": 5}, **changes}), "small")
    assert said in str(caught.value)


def test_another_number_of_folds_is_another_sweep() -> None:
    for before, now in ((_spec(5), _spec(6)), (small_spec({"confirm.seeds": 5}), _spec(5))):
        with pytest.raises(BadInput, match=r"confirm\.folds: .* before, [56] now"):
            refuse_change(before, now)

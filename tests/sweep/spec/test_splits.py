"""Splits as a spec names them: by shares, or by a file or a column of the user's."""

from dataclasses import replace
from typing import Any, cast

import pytest

from sweep.errors import BadInput
from sweep.plan.clean_labels import clean_labels
from sweep.plan.content import described
from sweep.plan.plan import Plan, spec_hash
from sweep.spec.reader import check_spec
from sweep.spec.stored import migrated, written
from tests.sweep.specs import small_spec
from trainers.entries import TaskEntry
from trainers.loading import content_key
from trainers.registry import TASKS
from trainers.settings import SplitFractions, SplitSource

FILE = {"file": "splits.csv"}


def test_a_file_stands_in_place_of_shares() -> None:
    spec = small_spec({"data.splits": FILE})
    source = SplitSource("splits.csv")
    assert spec.data_settings().fractions == SplitFractions(0.0, 0.0, 0.0, 0.0, None, source)
    kept = written(spec)
    assert kept["data"]["splits"] == FILE
    assert check_spec(migrated(kept), "kept") == spec
    assert described(content_key(spec.data_settings())) == (
        "the data set digits (splits file splits.csv)"
    )


def test_shares_are_kept_as_they_were() -> None:
    spec = small_spec()
    assert written(spec)["data"]["splits"] == {
        "train": 0.4, "meta": 0.1, "validation": 0.2, "test": 0.25,
    }  # fmt: skip
    # Pinned, as sweeps keep them: what is another one here finds no teacher of theirs.
    assert spec_hash(spec) == "151d2448bb40"
    assert Plan(spec).teachers[0].key == "a5faf215ac6832e7-1"


@pytest.mark.parametrize(
    ("splits", "said"),
    [
        ({**FILE, "train": 0.5}, "data.splits: file, train stand beside each other; give shares"),
        ({**FILE, "column": "split"}, "data.splits: column, file stand beside each other"),
        ({"file": ""}, "data.splits.file: '' (text)"),
        ({"column": "split"}, "data.splits.column: digits has no columns; name the splits in a"),
    ],
)
def test_what_cannot_be_is_refused(splits: Any, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        small_spec({"data.splits": splits})
    assert said in str(caught.value)


def test_a_task_that_does_not_take_them_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(TASKS["classification"], takes_splits=False)
    monkeypatch.setitem(cast(dict[str, TaskEntry], TASKS), "classification", other)
    with pytest.raises(BadInput, match=r"data.splits: the task \w+ draws splits by shares alone"):
        small_spec({"data.splits": FILE})


def test_teachers_of_other_splits_are_others() -> None:
    specs = [small_spec(), small_spec({"data.splits": FILE})]
    specs += [small_spec({"data.splits": {"file": "others.csv"}})]
    keys = [{job.key for job in Plan(spec).teachers} for spec in specs]
    assert not keys[0] & keys[1]
    assert not keys[1] & keys[2]
    # No teacher reads the meta split.
    less = small_spec({"data.splits": FILE, "data.clean": 0.02})
    assert {job.key for job in Plan(less).teachers} == keys[1]


def test_clean_labels_are_told_as_a_share_of_what_the_user_gave() -> None:
    plan = Plan(small_spec({"data.splits": FILE}))
    assert str(clean_labels(plan.cells[0])) == "100 % of the meta split held out"
    less = Plan(small_spec({"data.splits": FILE, "data.clean": 0.02}))
    assert str(clean_labels(less.cells[0])) == "35 held out"

"""Shortlists in a spec: what they may be, what sweeps of before have, what may change."""

from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.change import grows, refuse_change
from sweep.plan.plan import Plan, spec_hash
from sweep.spec.reader import check_spec
from sweep.spec.search import Shortlist
from sweep.spec.stored import migrated, written
from tests.sweep.specs import small_data, small_spec

SHORTLIST = "search.shortlist"


def test_a_new_spec_has_one_unless_it_says_none() -> None:
    data = small_data()
    assert check_spec(data, "small").search.shortlist == "none"
    del data["search"]["shortlist"]
    assert check_spec(data, "small").search.shortlist == Shortlist(configurations=3, seeds=3)
    assert check_spec(data, "small").search.per_seed is False


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({SHORTLIST: False}, "False is no shortlist; write {configurations: 3, seeds: 3}, or none"),
        ({SHORTLIST: "off"}, "'off' is no shortlist"),
        ({SHORTLIST: None}, "None is no shortlist"),
        ({SHORTLIST: {"configurations": 1}}, "search.shortlist.configurations: 1 (a whole number)"),
        ({SHORTLIST: {"seeds": "x"}}, "search.shortlist.seeds: 'x' (text) must be a whole number"),
        ({SHORTLIST: {"sets": 3}}, "search.shortlist.sets: 'sets' is no field here; did you mean"),
        ({"search.per_seed": "maybe"}, "search.per_seed: 'maybe' (text) must be true or false"),
    ],
)
def test_what_it_is_not_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as raised:
        small_spec(changes)
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert "<" not in str(raised.value)


@pytest.mark.parametrize("shortlist", ["none", {"configurations": 4, "seeds": 2}])
def test_it_is_read_back_as_it_was_written(shortlist: object) -> None:
    spec = small_spec({SHORTLIST: shortlist, "search.per_seed": True})
    assert check_spec(migrated(written(spec)), "stored") == spec


@pytest.mark.parametrize("version", [1, 2])
def test_sweeps_of_before_had_none_and_keep_their_hash(version: int) -> None:
    old = written(small_spec()) | {"version": version}
    del old["search"]["shortlist"], old["search"]["per_seed"]
    spec = check_spec(migrated(old), "stored")
    assert spec == small_spec({"search.limits_first": False})
    assert spec_hash(spec) == spec_hash(small_spec())
    assert spec_hash(small_spec({SHORTLIST: {"configurations": 3}})) != spec_hash(spec)


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        ("none", {"configurations": 3, "seeds": 3}, True),
        ({"configurations": 3, "seeds": 3}, {"configurations": 5, "seeds": 3}, True),
        ({"configurations": 3, "seeds": 3}, {"configurations": 3, "seeds": 4}, True),
        ({"configurations": 3, "seeds": 3}, "none", False),
        ({"configurations": 3, "seeds": 3}, {"configurations": 2, "seeds": 3}, False),
    ],
)
def test_a_longer_one_is_an_extension_a_shorter_one_another_sweep(
    before: object, now: object, goes_on: bool
) -> None:
    old, new = small_spec({SHORTLIST: before}), small_spec({SHORTLIST: now})
    if goes_on:
        refuse_change(old, new)
        assert grows(old, new)
    else:
        with pytest.raises(BadInput, match="shortlist"):
            refuse_change(old, new)


def test_a_search_for_every_seed_is_another_sweep() -> None:
    with pytest.raises(BadInput, match=r"search\.per_seed: False before, True now"):
        refuse_change(small_spec(), small_spec({"search.per_seed": True}))


def test_a_shortlist_is_no_longer_than_the_search() -> None:
    changes = {SHORTLIST: {"configurations": 9, "seeds": 2}, "search.trials": 4}
    plan = Plan(small_spec(changes))
    assert {plan.shortlist_of(cell) for cell in plan.cells} == {(4, 2)}

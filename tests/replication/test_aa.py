"""What `make aa` launches and counts."""

import pytest

from sweep.plan.plan import Plan
from tests.replication.aa import APART, MODES, Block, line, spec_of


@pytest.mark.parametrize("mode", MODES)
def test_blocks_are_sweeps_of_copies_that_share_no_seed(mode: str) -> None:
    plans = [Plan(spec_of(mode, block, copies=3, seeds=12)) for block in (0, 1)]
    for plan in plans:
        assert [use.method for use in plan.spec.methods] == ["fixed_kd"] * 3
        assert plan.comparisons == 2
        assert len({cell.id for cell in plan.cells}) == 3
    seeds = [{plan.search_seed, *plan.confirm_seeds} for plan in plans]
    assert not seeds[0] & seeds[1]
    assert max(len(own) for own in seeds) < APART


def test_ways_to_choose_differ_in_that_alone() -> None:
    specs = [spec_of(mode, 0, copies=2, seeds=4) for mode in MODES]
    assert [spec.search.shortlist == "none" for spec in specs] == [True, False, False]
    assert [spec.search.per_seed for spec in specs] == [False, False, True]
    rest = [
        spec.model_dump(exclude={"name": True, "description": True, "search": True})
        for spec in specs
    ]
    assert rest[0] == rest[1] == rest[2]


def test_shares_and_intervals_are_those_of_the_blocks() -> None:
    blocks = [
        Block(p=(0.01, 0.2, 0.049), largest=1.5, spread=1.0, called=1, compared=2),
        Block(p=(0.5, 0.9, 0.05), largest=0.5, spread=3.0, called=0, compared=2),
    ]
    told = line("one search, shortlist", blocks).split(" | ")
    assert told[1].startswith("2 of 6 (33.3 % [0.0, 66.7])")
    assert told[2] == "1 of 4"
    # Exact for one of two: Clopper-Pearson, by hand 1 - 0.975^(1/2) and 0.975^(1/2).
    assert told[3] == "1 of 2 (50 % [1, 99])"
    assert told[4:] == ["1.5", "2.0 |"]

"""What sentences speak of: one search's configurations, or methods."""

from collections.abc import Callable

import pytest

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.paper import paper_table, side_by_side, wide_html, wide_latex
from sweep.compare.records import SweepRecord
from sweep.compare.scope import scope_text, spoken_of
from sweep.compare.tables import caption

Make = Callable[..., SweepRecord]
SHARED = "the configurations that one search chose"
OWN = "the methods, each tuned anew in every seed"


@pytest.mark.parametrize(("per_seed", "words"), [(False, SHARED), (True, OWN)])
def test_every_rendering_says_of_what_it_speaks(
    make_record: Make, per_seed: bool, words: str
) -> None:
    record = make_record(per_seed=per_seed)
    table = comparison_table(record, 0)
    wide = paper_table(record, table, 0)
    assert spoken_of(per_seed) == words
    told = (
        caption(record),
        answer(table, record)[0],
        wide_latex(wide, "std"),
        wide_html(wide, "std"),
    )
    assert [words in text for text in told] == [True] * 4
    other = OWN if words == SHARED else SHARED
    assert not any(other in text for text in told)


def test_a_sentence_does_not_reach_beyond_the_search(make_record: Make) -> None:
    assert scope_text(make_record()) == (
        f"Intervals and p hold for {SHARED}, not for the methods: another search may choose others."
    )
    assert scope_text(make_record(per_seed=True)) == f"Intervals and p hold for {OWN}."


def test_without_a_search_the_spec_chose(make_record: Make) -> None:
    record = make_record(planned_trials={"fixed_kd": 0, "alm_kd": 0})
    assert scope_text(record) == (
        "Intervals and p hold for the configurations that the spec pins, not for the methods."
    )


def test_sweeps_side_by_side_keep_both(make_record: Make) -> None:
    wides = [
        paper_table(record, comparison_table(record, 0), 0)
        for record in (make_record(), make_record(per_seed=True, name="b"))
    ]
    assert side_by_side(wides).scope == f"{SHARED} or {OWN}"


def test_splits_that_were_given_are_told_where_people_look(make_record: Make) -> None:
    drawn, given = make_record(), make_record(splits="given")
    said = answer(comparison_table(given, 0), given)
    assert any("intervals and p say nothing of other splits of the data" in line for line in said)
    assert not any("other splits" in line for line in answer(comparison_table(drawn, 0), drawn))


def test_folds_come_with_a_warning_of_their_own(make_record: Make) -> None:
    folds = make_record(splits="folds")
    said = answer(comparison_table(folds, 0), folds)
    count = len(folds.confirm_seeds)
    assert f"paired over {count} folds, with" in said[0]
    told = [line for line in said if line.startswith("Warning: ") and "training sets" in line]
    assert len(told) == 1
    assert all(
        words in told[0]
        for words in ("sign-flip test", "interval", "Nadeau & Bengio 2003", "Bengio & Grandvalet")
    )
    seeds = make_record()
    assert f"paired over {count} seeds, with" in answer(comparison_table(seeds, 0), seeds)[0]

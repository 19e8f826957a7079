"""What a row of the table of methods says of teachers and lanes, and who holds to it."""

from dataclasses import replace

import pytest

import trainers.loop.cohort
from tests.trainers.cases import Trial, make_cohort
from trainers.registry import METHODS


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("cross_entropy", {0, 1, 2, 3}),
        ("dkd", {1}),
        ("fixed_kd", {1, 2, 3}),
        ("ca_mkd", {2, 3}),
    ],
)
def test_as_many_teachers_as_a_method_reads(name: str, counts: set[int]) -> None:
    entry = METHODS[name]
    assert {n for n in range(4) if entry.teacher_problem(n, {}) is None} == counts
    assert entry.uses_teacher == (0 not in counts)


def test_a_choice_for_one_teacher_alone_is_refused_with_the_others_named() -> None:
    entry = METHODS["alm_kd"]
    assert entry.teacher_problem(1, {"variant": "convex"}) is None
    assert entry.teacher_problem(3, {"variant": "box"}) is None
    assert entry.teacher_problem(3, {}) is None
    problem = entry.teacher_problem(3, {"variant": "convex"})
    assert problem is not None
    assert "'convex'" in problem
    assert "there are 3; choose box or max or softmax" in problem


def test_only_born_again_wants_a_teacher_like_its_student() -> None:
    assert [name for name, entry in METHODS.items() if entry.teacher_is_student] == ["born_again"]


def test_a_method_without_lanes_trains_one_trial_to_a_cohort(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = replace(METHODS["cross_entropy"], lanes=False)
    monkeypatch.setattr(trainers.loop.cohort, "METHODS", {"cross_entropy": alone})
    trials = [Trial("a", teachers=()), Trial("b", teachers=())]
    make_cohort("cross_entropy", trials[:1])
    with pytest.raises(ValueError, match="cross_entropy trains one trial to a cohort, not 2"):
        make_cohort("cross_entropy", trials)

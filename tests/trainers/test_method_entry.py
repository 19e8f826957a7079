"""What a row of the table of methods says of teachers and lanes, and who holds to it."""

from dataclasses import replace

import pytest
import torch

import trainers.loop.cohort
from tests.trainers.cases import Diary, lively_trials, make_cohort
from trainers.classification.entry import CLASSIFICATION
from trainers.text.entry import TEXT


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("labels_only", {0, 1, 2, 3}),
        ("dkd", {1}),
        ("fixed_kd", {1, 2, 3}),
        ("ca_mkd", {2, 3}),
    ],
)
def test_as_many_teachers_as_a_method_reads(name: str, counts: set[int]) -> None:
    entry = CLASSIFICATION.methods[name]
    assert {n for n in range(4) if entry.teacher_problem(n, {}) is None} == counts
    assert entry.uses_teacher == (0 not in counts)


def test_a_choice_for_one_teacher_alone_is_refused_with_the_others_named() -> None:
    entry = CLASSIFICATION.methods["alm_kd"]
    assert entry.teacher_problem(1, {"variant": "convex"}) is None
    assert entry.teacher_problem(3, {"variant": "box"}) is None
    assert entry.teacher_problem(3, {}) is None
    problem = entry.teacher_problem(3, {"variant": "convex"})
    assert problem is not None
    assert "'convex'" in problem
    assert "there are 3; choose box or max or softmax" in problem


def test_only_born_again_wants_a_teacher_like_its_student() -> None:
    assert [name for name, entry in CLASSIFICATION.methods.items() if entry.teacher_is_student] == [
        "born_again"
    ]


def test_methods_of_texts_start_from_a_rate_of_their_own() -> None:
    assert {entry.hyperparameter("lr").default for entry in TEXT.methods.values()} == {3e-3}


def test_lanes_of_a_method_that_does_not_stack_train_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = lively_trials("alm_kd", 3)
    expected, found = Diary({"trial-1": 2}), Diary({"trial-1": 2})
    stacked = make_cohort("alm_kd", trials)
    assert [stack.names for stack in stacked.stacks] == [["trial-0", "trial-1", "trial-2"]]
    in_turn = replace(CLASSIFICATION.methods["alm_kd"], stacks=False)
    task = replace(CLASSIFICATION, methods={"alm_kd": in_turn})
    monkeypatch.setattr(trainers.loop.cohort, "TASKS", {"classification": task})
    alone = make_cohort("alm_kd", trials)
    assert [stack.names for stack in alone.stacks] == [["trial-0"], ["trial-1"], ["trial-2"]]
    results = [cohort.train(diary) for cohort, diary in ((stacked, expected), (alone, found))]
    assert found.rows == expected.rows
    assert alone.names == stacked.names == ("trial-0", "trial-2")
    for name in alone.names:
        assert torch.equal(*(result[name].tables["lambda"] for result in results))

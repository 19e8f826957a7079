"""What the loop does for every task: lanes stacked and in turn, what is shown, what is evaluated,
when; on the two toy tasks."""

from itertools import product

import pytest
import torch

from tests.trainers.cases import Diary
from tests.trainers.toy_cases import (
    PAIRS,
    SEQUENCES,
    ToyTrial,
    toy_cohort,
    toys,  # noqa: F401
    training_of,
)
from trainers.entries import TaskEntry
from trainers.loop.checkpoint import from_bytes, to_bytes
from trainers.loop.cohort import Cohort, Metrics
from trainers.settings import Training

pytestmark = pytest.mark.usefixtures("toys")
TASKS = pytest.mark.parametrize("task", [SEQUENCES, PAIRS], ids=["sequences", "pairs"])
MIXING = (
    "labels_only", "fine_tuning", "fixed_kd", "alm_kd", "superloss", "meta_weight_net", "bikd",
    "aver",
)  # fmt: skip
ALM_KD = {"warmup_epochs": 1, "update_every": 1, "meta_lr": 0.3}
LIVELY = {
    "alm_kd": ALM_KD,
    "alm_kd_token": {**ALM_KD, "start": "uniform"},
    "fine_tuning": {"fine_tune_epochs": 2},
}


def _trials(method: str) -> list[ToyTrial]:
    own = LIVELY.get(method, {})
    return [
        ToyTrial("a", 3, 0.4, {"lr": 0.05, **own}),
        ToyTrial("b", 4, 0.0, {"lr": 0.01, "weight_decay": 0.1, **own}, ("two",)),
        ToyTrial("c", 3, 0.2, {"lr": 0.1, **own}),
    ]


def _rows(cohort: Cohort, last_epochs: dict[str, int] | None = None) -> dict[str, list[Metrics]]:
    diary = Diary(last_epochs)
    cohort.train(diary)
    return diary.rows


@pytest.mark.parametrize(
    ("task", "method"),
    [*product((SEQUENCES, PAIRS), MIXING), (SEQUENCES, "alm_kd_token")],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_a_lane_is_the_trial_alone(task: TaskEntry, method: str) -> None:
    trials = _trials(method)
    together = _rows(toy_cohort(task, method, trials), {"b": 2})
    for trial in trials:
        alone = _rows(toy_cohort(task, method, [trial]), {"b": 2})
        assert together[trial.name] == alone[trial.name]


def test_lanes_train_stacked_where_that_pays_and_else_in_turn() -> None:
    trials = _trials("fixed_kd")
    assert len(toy_cohort(PAIRS, "fixed_kd", trials).stacks) == 1
    assert len(toy_cohort(SEQUENCES, "fixed_kd", trials).stacks) == len(trials)


def test_lanes_in_turn_may_all_be_cut_out_at_once() -> None:
    trials = _trials("fixed_kd")
    rows = _rows(toy_cohort(SEQUENCES, "fixed_kd", trials), {t.name: 2 for t in trials})
    assert {len(of_lane) for of_lane in rows.values()} == {2}


@pytest.mark.parametrize(
    ("task", "method"),
    [
        *product((SEQUENCES, PAIRS), ("fixed_kd", "alm_kd", "bikd")),
        (SEQUENCES, "alm_kd_token"),
    ],
    ids=lambda x: x if isinstance(x, str) else x.name,
)
def test_a_cohort_goes_on_bit_for_bit(task: TaskEntry, method: str) -> None:
    trials = _trials(method)
    whole, kept = toy_cohort(task, method, trials), []
    diary = Diary({"b": 2})
    whole.train(diary, lambda: (whole.settle(), kept.append(to_bytes(whole.state())))[0])
    for state in kept:
        cohort, again = toy_cohort(task, method, trials), Diary({"b": 2})
        assert cohort.go_on(from_bytes(state), again)
        cohort.train(again)
        assert again.rows == diary.rows


@TASKS
def test_fixed_weights_are_the_fixed_mix(task: TaskEntry) -> None:
    share = 0.7
    held = {"start": share, "warmup_epochs": 10_000, "variant": "convex"}
    learned = _rows(toy_cohort(task, "alm_kd", [ToyTrial("a", values=held)]))["a"]
    fixed = _rows(toy_cohort(task, "fixed_kd", [ToyTrial("a", values={"alpha": share})]))["a"]
    for mine, its in zip(learned, fixed, strict=True):
        for name in ("train_loss", "validation_loss", "validation_accuracy"):
            assert mine[name] == pytest.approx(its[name], rel=1e-5)


def _with_dropping(dropped: float, live: bool = True) -> Cohort:
    trials = [ToyTrial(n, s, values={"dropped": dropped}) for n, s in (("a", 3), ("b", 4))]
    return toy_cohort(SEQUENCES, "dropping", trials, live=live)


def test_a_method_may_show_other_inputs_and_teachers_see_them() -> None:
    asked: list[torch.Tensor] = []
    cohort = _with_dropping(0.6)
    live = cohort.stacks[0]._live
    assert live is not None
    teachers = live.outputs
    live.outputs = lambda inputs: (asked.append(inputs), teachers(inputs))[1]  # type: ignore[method-assign]
    shown = _rows(cohort)
    steps = 3 * len(cohort.stacks[0]._sizes())
    assert len(asked) == steps
    assert 0.3 < sum(row["dropped"] for row in shown["a"]) / 3 < 0.9
    assert _rows(_with_dropping(0.0))["a"] != shown["a"]


def test_it_cannot_train_without_the_teachers_themselves() -> None:
    with pytest.raises(ValueError, match="give the teachers themselves"):
        _with_dropping(0.5, live=False)


def test_what_a_method_makes_of_the_student_is_evaluated_kept_and_gone_on_with() -> None:
    cohort, kept = _with_dropping(0.2), []
    diary = Diary()
    cohort.train(diary, lambda: (cohort.settle(), kept.append(to_bytes(cohort.state())))[0])
    again, rows = _with_dropping(0.2), Diary()
    assert again.go_on(from_bytes(kept[-1]), rows)
    again.train(rows)
    assert rows.rows == diary.rows
    stack = cohort.stacks[0]
    average = stack.method.evaluated(stack.model)
    assert average is not stack.model
    evaluated = float(stack.data.evaluate(average, "validation", ["accuracy"])["loss"][0])
    assert evaluated == pytest.approx(diary.rows["a"][-1]["validation_loss"])
    student = float(stack.data.evaluate(stack.model, "validation", ["accuracy"])["loss"][0])
    assert student != evaluated


def test_the_task_names_the_optimizer_and_its_look_ahead() -> None:
    training = training_of(PAIRS)
    assert training.optimizer == "adamw"
    trial = ToyTrial("a", values={"lr": 0.02, "look_ahead_lr": 0.4})
    stack = toy_cohort(PAIRS, "alm_kd", [trial], training).stacks[0]
    assert [float(x) for x in stack._rates(0.5)] == pytest.approx([0.01, 0.2])
    by_sgd = training_of(PAIRS, optimizer="sgd")
    stack = toy_cohort(PAIRS, "alm_kd", [trial], by_sgd).stacks[0]
    assert [float(x) for x in stack._rates(0.5)] == pytest.approx([0.01, 0.01])


def test_validation_is_evaluated_every_so_many_epochs_and_at_the_end() -> None:
    training = training_of(PAIRS, epochs=5, evaluate_every=2)
    cohort = toy_cohort(PAIRS, "fixed_kd", [ToyTrial("a")], training)
    diary = Diary()
    results = cohort.train(diary)
    has = ["validation_loss" in row for row in diary.rows["a"]]
    assert has == [False, True, False, True, True]
    assert results["a"].best_epoch in (2, 4, 5)
    assert all("train_loss" in row for row in diary.rows["a"])


def test_an_epoch_may_have_a_number_of_steps() -> None:
    """More than a pass: examples come again, in another order."""
    training = training_of(PAIRS, epochs=1, steps=20)
    stack = toy_cohort(PAIRS, "fixed_kd", [ToyTrial("a")], training).stacks[0]
    assert stack._sizes() == [7] * 20
    order = stack._drawn_order([7] * 20)[0][0]
    n = stack.data.size("train")
    assert sorted(order[:n].tolist()) == sorted(order[n : 2 * n].tolist()) == list(range(n))
    assert order[:n].tolist() != order[n : 2 * n].tolist()


def test_rates_warm_up_over_steps_and_fall_along_a_line() -> None:
    training = Training(epochs=4, batch_size=7, schedule="linear", warmup_steps=4)
    assert [training.warmup_factor(step) for step in (1, 2, 4, 5, 99)] == [0.25, 0.5, 1, 1, 1]
    assert [training.lr_factor(epoch) for epoch in (1, 2, 3, 4)] == [1, 0.75, 0.5, 0.25]
    seen: list[float] = []
    stack = toy_cohort(PAIRS, "fixed_kd", [ToyTrial("a", values={"lr": 0.8})], training).stacks[0]
    go = stack._optimizer.go
    stack._optimizer.go = lambda lr: (seen.append(float(lr)), go(lr))[1]  # type: ignore[method-assign]
    for epoch in (1, 2):
        for _ in stack.steps(epoch, _Unhurried()):  # type: ignore[arg-type]
            pass
    per_epoch = len(stack._sizes())
    assert seen[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8])
    assert seen[per_epoch] == pytest.approx(0.6)


class _Unhurried:
    def lap(self, name: str) -> None:
        pass


def test_with_the_last_epoch_counting_the_best_is_not_kept() -> None:
    import dataclasses

    cohort = toy_cohort(PAIRS, "fixed_kd", [ToyTrial("a", values={"lr": 2.0})])
    selection = dataclasses.replace(cohort.spec.selection, epoch="last")
    cohort.spec = dataclasses.replace(cohort.spec, selection=selection)
    results = cohort.train(Diary())
    assert results["a"].best_epoch == 3

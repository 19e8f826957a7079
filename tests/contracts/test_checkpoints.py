"""Every method, broken off between two epochs: it goes on bit for bit as if nothing had been."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

import pytest
import torch

from tests.contracts.specimens.table import EVERY_METHOD, specimen_of
from tests.trainers.cases import (
    Diary,
    Shape,
    Trial,
    identical,
    lively_trials,
    make_cohort,
    weights,
)
from tests.trainers.image_cases import SMALL_CNN, image_cohort
from trainers.classification.data.lanes import Treatment
from trainers.loop.checkpoint import UnusableCheckpoint, from_bytes, to_bytes
from trainers.loop.cohort import Cohort, LaneResult, Metrics
from trainers.registry import TASKS
from trainers.settings import ModelSpec

EPOCHS = 5
# After the lane was cut out, and before the end.
BROKEN_OFF = 3
LAST_EPOCHS: Mapping[str, dict[str, int]] = {"whole": {}, "after-pruning": {"trial-1": 2}}
PRUNING = pytest.mark.parametrize("pruning", LAST_EPOCHS)
OWN = ModelSpec(
    "module",
    {
        "path": "tests.trainers.classification.networks.test_own_module:Net",
        "head": "head",
        "arguments": {"channels": 1, "classes": 3, "dropout": 0.5},
    },
)


class Left(NamedTuple):
    """What training leaves."""

    rows: dict[str, list[Metrics]]
    results: dict[str, LaneResult]
    weights: dict[str, dict[str, torch.Tensor]]


def finish(cohort: Cohort, diary: Diary, between: Callable[[], None] | None = None) -> Left:
    results = cohort.train(diary, between)
    left = {name: weights(cohort, name) for name in cohort.names}
    cohort.test()
    return Left(diary.rows, results, left)


def trained(cohort: Cohort, diary: Diary) -> tuple[Left, dict[str, Any]]:
    """What straight training leaves, and the state of the cohort when it might have been broken
    off, through bytes."""
    kept: list[bytes] = []
    left = finish(cohort, diary, lambda: kept.append(to_bytes(cohort.state())))
    assert len(kept) == EPOCHS - 1
    return left, from_bytes(kept[BROKEN_OFF - 1])


def saved(cohort: Cohort, diary: Diary) -> dict[str, Any]:
    """That state alone."""
    return trained(cohort, diary)[1]


@cache
def _trained(task: str, method: str, pruning: str) -> tuple[Left, dict[str, Any]]:
    """Of three trials of a method what straight training leaves, and its state when it might have
    been broken off; not to be written to."""
    specimen = specimen_of(task)
    cohort = specimen.cohort(method, specimen.trials(method, 3), EPOCHS)
    return trained(cohort, Diary(LAST_EPOCHS[pruning]))


def assert_goes_on(
    make: Callable[[], Cohort],
    last_epochs: Mapping[str, int],
    left: tuple[Left, dict[str, Any]] | None = None,
) -> None:
    """Straight training, and one that is broken off and taken up, leave the same."""
    straight, state = left or trained(make(), Diary(last_epochs))
    diary, cohort = Diary(last_epochs), make()
    assert cohort.go_on(state, diary)
    assert {len(rows) for rows in diary.rows.values()} == {BROKEN_OFF, *last_epochs.values()}
    assert_same(finish(cohort, diary), straight)


def assert_same(found: Left, expected: Left) -> None:
    assert found.rows == expected.rows
    for name, result in expected.results.items():
        assert _plain(found.results[name]) == _plain(result)
        assert all(identical(found.results[name].tables[k], t) for k, t in result.tables.items())
    assert found.weights.keys() == expected.weights.keys()
    for name, own in expected.weights.items():
        assert found.weights[name].keys() == own.keys()
        assert all(torch.equal(found.weights[name][k], t) for k, t in own.items())


def _plain(result: LaneResult) -> tuple[object, ...]:
    return (result.epochs, result.best_epoch, result.best, result.test, list(result.tables))


@EVERY_METHOD
@PRUNING
def test_going_on_is_training_straight(task: str, method: str, pruning: str) -> None:
    specimen = specimen_of(task)
    make = partial(specimen.cohort, method, specimen.trials(method, 3), EPOCHS)
    assert_goes_on(make, LAST_EPOCHS[pruning], _trained(task, method, pruning))


@pytest.mark.parametrize("task", TASKS)
def test_to_save_a_state_changes_nothing(task: str) -> None:
    specimen = specimen_of(task)
    straight = finish(specimen.cohort("alm_kd", specimen.trials("alm_kd", 3), EPOCHS), Diary())
    assert_same(straight, _trained(task, "alm_kd", "whole")[0])


@PRUNING
@pytest.mark.parametrize("method", ["labels_only", "alm_kd", "bikd"])
def test_so_it_is_with_running_statistics_and_changed_inputs(method: str, pruning: str) -> None:
    trials = [Trial(f"trial-{i}", seed=i, values={"lr": 0.01}) for i in range(3)]
    treatment = Treatment(augment="crop_flip")
    make = partial(image_cohort, trials, EPOCHS, method, SMALL_CNN, treatment)
    assert_goes_on(make, LAST_EPOCHS[pruning])


def test_so_it_is_with_a_module_that_draws_numbers() -> None:
    trial = Trial("trial-0", values={"lr": 0.05})
    assert_goes_on(lambda: image_cohort([trial], EPOCHS, model=OWN), {})


def test_so_it_is_before_an_epoch_without_an_update() -> None:
    trial = Trial("trial-0", values={"lr": 0.1, "warmup_epochs": 0, "update_every": 2})
    assert_goes_on(lambda: make_cohort("alm_kd", [trial], Shape(EPOCHS)), {})


def test_so_it_is_in_the_middle_of_the_held_out_batches() -> None:
    """Of an order of 4 batches, 2 are left after 3 epochs of 18 steps."""
    trials = lively_trials("bikd", 2)
    assert_goes_on(lambda: make_cohort("bikd", trials, Shape(EPOCHS, batch_size=6)), {})


def test_so_it_is_where_some_lanes_are_fine_tuned_already() -> None:
    tuned = [{"fine_tune_epochs": k} for k in (1, 3, 4)]
    trials = [Trial(f"trial-{i}", i, values=values) for i, values in enumerate(tuned)]
    assert_goes_on(lambda: make_cohort("fine_tuning", trials, Shape(EPOCHS)), {})


@EVERY_METHOD
def test_some_lanes_of_a_checkpoint_go_on_without_the_others(task: str, method: str) -> None:
    specimen = specimen_of(task)
    trials, (_, state) = specimen.trials(method, 3), _trained(task, method, "whole")
    straight = finish(specimen.cohort(method, trials[1:], EPOCHS), Diary())
    diary, cohort = Diary(), specimen.cohort(method, trials[1:], EPOCHS)
    assert cohort.go_on(state, diary)
    assert_same(finish(cohort, diary), straight)


def test_a_lane_that_is_stopped_during_the_replay_stays_away() -> None:
    trials = lively_trials("alm_kd", 3)
    state = saved(make_cohort("alm_kd", trials, Shape(EPOCHS)), Diary())
    last_epochs = {"trial-0": 2}
    straight = finish(make_cohort("alm_kd", trials, Shape(EPOCHS)), Diary(last_epochs))
    diary, cohort = Diary(last_epochs), make_cohort("alm_kd", trials, Shape(EPOCHS))
    assert cohort.go_on(state, diary)
    assert cohort.names == ("trial-1", "trial-2")
    assert_same(finish(cohort, diary), straight)


def test_all_lanes_may_be_stopped_during_the_replay() -> None:
    trials = lively_trials("fixed_kd", 2)
    state = saved(make_cohort("fixed_kd", trials, Shape(EPOCHS)), Diary())
    diary = Diary({"trial-0": 1, "trial-1": 2})
    cohort = make_cohort("fixed_kd", trials, Shape(EPOCHS))
    assert cohort.go_on(state, diary)
    results = cohort.train(diary)
    assert {name: result.epochs for name, result in results.items()} == {"trial-0": 1, "trial-1": 2}
    assert cohort.names == ()


@pytest.mark.parametrize("stopped", [2, BROKEN_OFF])
def test_a_lane_that_goes_on_and_is_not_there_makes_training_start_again(stopped: int) -> None:
    """Stopped when it was saved, at the last epoch or before, and not stopped now."""
    trials = lively_trials("alm_kd", 3)
    state = saved(make_cohort("alm_kd", trials, Shape(EPOCHS)), Diary({"trial-1": stopped}))
    replay, cohort = Diary({"trial-2": 1}), make_cohort("alm_kd", trials, Shape(EPOCHS))
    assert not cohort.go_on(state, replay)
    assert {name: len(rows) for name, rows in replay.rows.items()} == {
        "trial-0": stopped, "trial-1": stopped, "trial-2": 1,
    }  # fmt: skip
    assert (cohort.names, cohort.epoch) == (("trial-0", "trial-1"), 0)
    straight = finish(make_cohort("alm_kd", trials[:2], Shape(EPOCHS)), Diary())
    assert_same(finish(cohort, Diary()), straight)


def test_lanes_that_a_checkpoint_never_had_start_from_the_beginning() -> None:
    trials = lively_trials("crust", 3)
    state = saved(make_cohort("crust", trials[:2], Shape(EPOCHS)), Diary())
    diary, cohort = Diary(), make_cohort("crust", trials, Shape(EPOCHS))
    assert not cohort.go_on(state, diary)
    assert diary.rows == {}
    assert cohort.epoch == 0


def test_a_state_of_another_making_is_not_taken() -> None:
    trials = lively_trials("alm_kd", 2)
    state = saved(make_cohort("alm_kd", trials, Shape(EPOCHS)), Diary())
    del state["stack"]["method"]["coordinates"]
    assert not make_cohort("alm_kd", trials, Shape(EPOCHS)).go_on(state, Diary())


def test_a_lane_in_a_state_takes_no_more_room_for_the_others() -> None:
    """A view is saved with all that it is a view into."""
    whole = torch.zeros(100_000)
    assert len(to_bytes({"part": whole[:10]})) < 10_000


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("loaded",))


@pytest.mark.parametrize("what", ["torn", "noise", "code", "no state"])
def test_bytes_that_hold_no_state_are_told_and_no_code_of_theirs_is_run(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = to_bytes({"a": torch.ones(3)})
    data = {
        "torn": whole[: len(whole) // 2],
        "noise": b"noise" * 100,
        "code": to_bytes({"a": Evil()}),
        "no state": to_bytes([1]),  # type: ignore[arg-type]
    }[what]
    with pytest.raises(UnusableCheckpoint):
        from_bytes(data)
    assert capsys.readouterr().out == ""

"""Cohorts whose first weights are given: what warm starts leave, and what students make of it."""

from collections.abc import Sequence

import pytest
import torch

from tests.trainers.cases import Diary, Trial, only, weights
from tests.trainers.image_cases import SMALL_CNN, TEACHER, image_cohort
from trainers.loop.checkpoint import from_bytes, to_bytes
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import Weights
from trainers.loop.teachers import train_starts
from trainers.settings import ModelSpec

RATES = (0.1, 0.5, 0.02)
TRIALS = tuple(
    Trial(f"trial-{i}", seed=10 + i, noise_rate=0.4, values={"lr": lr})
    for i, lr in enumerate(RATES)
)
# One that trains in turn and has running statistics, one that trains stacked.
NETWORKS = pytest.mark.parametrize("model", [SMALL_CNN, TEACHER], ids=["in turn", "stacked"])
METHODS = pytest.mark.parametrize("method", ["labels_only", "fixed_kd", "alm_kd"])


def _starts(model: ModelSpec) -> dict[str, Weights]:
    """For every trial what a network is after two epochs on labels alone."""
    cohort = image_cohort(TRIALS, epochs=2, model=model)
    _, left = train_starts(cohort, Diary())
    assert all(not start.outputs for start in left.values())
    return {name: {k: t.numpy() for k, t in s.parameters.items()} for name, s in left.items()}


def _equal(found: dict[str, torch.Tensor], expected: Weights) -> None:
    assert set(found) == set(expected)
    for name, tensor in found.items():
        assert torch.equal(tensor, torch.as_tensor(expected[name])), name


def _history(cohort: Cohort) -> dict[str, list[dict[str, float]]]:
    diary = Diary()
    cohort.train(diary)
    return diary.rows


@NETWORKS
def test_a_start_leaves_what_it_is_after_its_last_epoch(model: ModelSpec) -> None:
    trial = Trial("a", seed=4, noise_rate=0.6, values={"lr": 0.5})
    cohort = image_cohort([trial], epochs=7, model=model)
    now: list[dict[str, torch.Tensor]] = []

    def watch(epoch: int, names: Sequence[str], rows: object) -> list[bool]:
        now.append(only(cohort).weights(0))
        return [True]

    results, left = train_starts(cohort, watch)
    assert results["a"].best_epoch < 7
    _equal(left["a"].parameters, {k: t.numpy() for k, t in now[-1].items()})


@METHODS
@NETWORKS
def test_students_begin_with_the_given_weights_and_buffers(method: str, model: ModelSpec) -> None:
    starts = _starts(model)
    cohort = image_cohort(TRIALS, method=method, model=model, starts=starts)
    for trial in TRIALS:
        _equal(weights(cohort, trial.name), starts[trial.name])
    drawn = image_cohort(TRIALS, method=method, model=model)
    assert _history(cohort) != _history(drawn)


@METHODS
@NETWORKS
def test_a_trial_alone_is_the_trial_as_a_lane(method: str, model: ModelSpec) -> None:
    starts = _starts(model)
    cohort = image_cohort(TRIALS, method=method, model=model, starts=starts)
    together = Diary({"trial-0": 1})
    cohort.train(together)
    for trial in TRIALS[1:]:
        own = {trial.name: starts[trial.name]}
        alone = image_cohort([trial], method=method, model=model, starts=own)
        assert _history(alone)[trial.name] == together.rows[trial.name]
        found = weights(alone, trial.name)
        _equal(weights(cohort, trial.name), {k: t.numpy() for k, t in found.items()})


@NETWORKS
def test_the_state_goes_on_and_a_new_beginning_is_the_start(model: ModelSpec) -> None:
    starts = _starts(model)

    def cohort() -> Cohort:
        return image_cohort(TRIALS, method="alm_kd", model=model, starts=starts)

    states: list[bytes] = []
    straight = cohort()
    expected = Diary()
    straight.train(expected, lambda: states.append(to_bytes(straight.state())))
    again, resumed = cohort(), Diary()
    assert again.go_on(from_bytes(states[0]), resumed)
    again.train(resumed)
    assert resumed.rows == expected.rows
    for trial in TRIALS:
        ended = weights(straight, trial.name)
        _equal(weights(again, trial.name), {k: t.numpy() for k, t in ended.items()})
    for stack in again.stacks:
        stack.reset()
    fresh = image_cohort(TRIALS[:1], method="alm_kd", model=model, starts=starts)
    assert not fresh.go_on({"history": [(1, ["another"], [{}])], "lanes": [], "stack": {}}, Diary())
    _equal(weights(fresh, TRIALS[0].name), starts[TRIALS[0].name])


def test_weights_of_another_network_are_refused() -> None:
    starts = _starts(TEACHER)
    with pytest.raises(KeyError):
        image_cohort(TRIALS, starts=starts)


def test_a_start_in_which_nothing_learns_says_so() -> None:
    cohort = image_cohort(TRIALS[:1])
    for parameter in only(cohort).model.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter with requires_grad"):
        train_starts(cohort, Diary())

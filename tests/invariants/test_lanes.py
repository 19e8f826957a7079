"""A trial gives the same numbers, bit for bit, alone or as a lane of any cohort."""

import math
from functools import cache
from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.specimens.table import EVERY_METHOD, specimen_of
from tests.trainers.cases import (
    Diary,
    Shape,
    Trial,
    history,
    identical,
    lively_trials,
    make_cohort,
    weights,
    with_values,
)
from trainers.classification.entry import CLASSIFICATION
from trainers.loop.cohort import Cohort, LaneResult, Metrics

POOL = 6
SHAPES = (
    Shape(epochs=3),
    Shape(epochs=3, batch_size=1000, hidden=(3, 17)),
    Shape(epochs=2, batch_size=2, hidden=(2,)),
)


class _Run(NamedTuple):
    """What a trial left behind: every epoch, its last parameters, its test at the best epoch."""

    rows: list[Metrics]
    parameters: torch.Tensor
    result: LaneResult


def _run(cohort: Cohort, last_epochs: dict[str, int] | None = None) -> dict[str, _Run]:
    """The lanes of a cohort by name; those that were stopped have no parameters."""
    diary = Diary(last_epochs)
    results = cohort.train(diary)
    left = {name: _parameters(cohort, name) for name in cohort.names}
    cohort.test()
    return {
        name: _Run(diary.rows[name], left.get(name, torch.empty(0)), result)
        for name, result in results.items()
    }


@cache
def _alone(method: str, number: int, shape: Shape) -> _Run:
    trial = lively_trials(method, POOL)[number]
    return _run(make_cohort(method, [trial], shape))[trial.name]


def _parameters(cohort: Cohort, name: str) -> torch.Tensor:
    """All parameters of one lane, (P,)."""
    return torch.cat([p.flatten() for p in weights(cohort, name).values()])


@EVERY_METHOD
def test_a_lane_of_any_task_is_the_trial_alone(task: str, method: str) -> None:
    """Beside two others, of which one is stopped before the end."""
    specimen, last = specimen_of(task), {"trial-1": 2}
    trials = specimen.trials(method, 3)
    together = _run(specimen.cohort(method, trials, 3), last)
    for trial in trials:
        found = together[trial.name]
        expected = _run(specimen.cohort(method, [trial], 3), last)[trial.name]
        assert all(math.isfinite(value) for row in found.rows for value in row.values())
        assert found.rows == expected.rows
        assert torch.equal(found.parameters, expected.parameters)
        assert found.result.test == expected.result.test
        for name, table in expected.result.tables.items():
            assert identical(found.result.tables[name], table)


@pytest.mark.parametrize("method", CLASSIFICATION.methods)
@settings(max_examples=10)
@given(
    numbers=st.lists(st.integers(0, POOL - 1), min_size=1, max_size=POOL, unique=True),
    last_epochs=st.lists(st.integers(1, 4), min_size=POOL, max_size=POOL),
    shape=st.sampled_from(SHAPES),
)
def test_a_lane_is_the_trial_alone(
    method: str, numbers: list[int], last_epochs: list[int], shape: Shape
) -> None:
    """In any number and order, with lanes stopped at any epoch (or, past the end, never)."""
    trials = [lively_trials(method, POOL)[i] for i in numbers]
    last = {f"trial-{i}": last_epochs[i] for i in numbers}
    together = _run(make_cohort(method, trials, shape), last)
    for i in numbers:
        found, expected = together[f"trial-{i}"], _alone(method, i, shape)
        assert found.rows == expected.rows[: last_epochs[i]]
        if last_epochs[i] > shape.epochs:
            assert torch.equal(found.parameters, expected.parameters)
            assert found.result.test == expected.result.test
            for name, table in expected.result.tables.items():
                assert identical(found.result.tables[name], table)


@pytest.mark.parametrize("method", CLASSIFICATION.methods)
def test_a_large_cohort_has_the_same_lanes(method: str) -> None:
    trials = lively_trials(method, 33)
    diary = Diary()
    make_cohort(method, trials).train(diary)
    for trial in (trials[0], trials[17], trials[32]):
        assert diary.rows[trial.name] == history(method, trial)


@pytest.mark.parametrize("method", CLASSIFICATION.methods)
def test_a_diverged_lane_harms_no_other(method: str) -> None:
    good, bad, other = lively_trials(method, 3)
    diary = Diary()
    cohort = make_cohort(method, [good, with_values(bad, lr=1e30), other])
    cohort.train(diary)
    assert not torch.isfinite(_parameters(cohort, bad.name)).all()
    for trial in (good, other):
        assert diary.rows[trial.name] == history(method, trial)


@pytest.mark.parametrize("method", CLASSIFICATION.methods)
def test_the_same_trial_twice_in_a_cohort_is_the_same_twice(method: str) -> None:
    trial = lively_trials(method, 1)[0]
    twin = Trial("twin", trial.seed, trial.noise_rate, trial.teachers, trial.values)
    diary = Diary()
    make_cohort(method, [trial, *lively_trials(method, 3)[1:], twin]).train(diary)
    assert diary.rows["twin"] == diary.rows[trial.name]


def test_lanes_with_several_teachers_learn_their_weights_apart() -> None:
    """The variants side by side, each with both kinds of look-ahead."""
    kinds = [(v, h) for v in ("box", "max", "softmax") for h in ("last_layer", "full")]
    trials = [
        Trial(
            f"{variant}-{hypergradient}",
            seed=7 + i % 2,
            teachers=(("strong", "weak"), ("weak", "strong"))[i % 2],
            values={
                "variant": variant,
                "hypergradient": hypergradient,
                "meta_lr": 100.0,
                "warmup_epochs": i % 2,
                "update_every": 1,
            },
        )
        for i, (variant, hypergradient) in enumerate(kinds)
    ]
    diary = Diary()
    make_cohort("alm_kd", trials).train(diary)
    for trial in trials:
        assert diary.rows[trial.name] == history("alm_kd", trial)

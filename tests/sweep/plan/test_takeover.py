"""Which searches of two sweeps are the same, and how much of one is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.adapters.mlflow.content import as_begun, is_same
from sweep.plan.content import named_by
from sweep.plan.plan import Plan
from sweep.plan.takeover import equal_searches, is_taken, trials_taken
from tests.sweep.specs import small_spec


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec(changes))


def _labels(changes: Mapping[str, Any]) -> set[str]:
    return {search.cell.use.label for search in equal_searches(_plan(), _plan(changes)).values()}


ALL = {"alm_kd", "fixed_kd", "cross_entropy"}


@pytest.mark.parametrize(
    ("changes", "equal"),
    [
        ({}, ALL),
        ({"name": "other", "description": "words", "search.timeout": 60}, ALL),
        ({"confirm.seeds": 9, "search.trials": 30, "search.shortlist": {"seeds": 2}}, ALL),
        ({"resources.max_lanes": 3, "conditions.noise_rate": [0.4, 0.6]}, ALL),
        ({"methods.1.baseline": False, "methods.2.baseline": True}, ALL),
        ({"methods.0.pin.update_every": 2}, {"fixed_kd", "cross_entropy"}),
        ({"teacher.training.epochs": 2}, {"cross_entropy"}),
        ({"search.enqueue": {"alm_kd": [{"lr": 0.1}]}}, {"fixed_kd", "cross_entropy"}),
        ({"conditions.noisy_splits": ["train", "validation"]}, set()),
        ({"data.splits.train": 0.3}, set()),
        ({"student.model.hidden": [9]}, set()),
        ({"search.shared": {"lr": {"low": 0.1, "high": 0.2}}}, set()),
        ({"search.generation": 2}, set()),
        ({"search.per_seed": True}, set()),
        ({"search.pruner": {"name": "none"}}, set()),
        ({"objective.metric": "loss"}, set()),
        ({"objective.selection": "last"}, set()),
        ({"seed": 1}, set()),
    ],
    # A set has its members in another order in another process.
    ids=lambda value: ", ".join(sorted(value)) if isinstance(value, set) else str(value),
)
def test_searches_are_equal_by_all_that_decides_what_they_do(
    changes: dict[str, Any], equal: set[str]
) -> None:
    assert _labels(changes) == equal


@pytest.mark.parametrize(
    ("planned", "ended", "taken"),
    [(6, 6, 6), (7, 7, 7), (9, 7, 6), (12, 6, 6), (6, 12, 6), (7, 12, 6), (6, 5, 3), (6, 0, 0)],
)
def test_whole_generations_are_taken(planned: int, ended: int, taken: int) -> None:
    plan = _plan({"search.trials": planned})
    assert plan.generation == 3
    assert trials_taken(plan, plan.searches[0], ended) == taken


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"stage": "search", "trial": "5", "key": "c/trial/5"}, True),
        ({"stage": "search", "trial": "6", "key": "c/trial/6"}, False),
        ({"stage": "shortlist", "trial": "6", "key": "c/shortlist/6/1"}, False),
        ({"stage": "confirm", "seed": "3", "key": "c/confirm/5/3"}, True),
        ({"stage": "confirm", "seed": "4", "key": "c/confirm/5/4"}, False),
        ({"stage": "confirm", "seed": "3", "key": "c/confirm/6/3"}, False),
        ({"stage": "confirm", "seed": "3", "key": "c/confirm/3"}, True),
    ],
)
def test_runs_are_taken_with_their_trial_and_seed(tags: dict[str, str], expected: bool) -> None:
    assert is_taken(tags, 6, _plan()) == expected


def test_other_content_under_the_same_name_is_not_the_same(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    np.savez(file, inputs=np.zeros((60, 3)), labels=np.arange(60) % 3)
    spec = small_spec({"data": {"dataset": "npz", "path": str(file)}})
    (name,) = named_by(spec)
    before, other = Plan(spec, {name: "a"}), Plan(spec, {name: "b"})
    tags = as_begun(before).tags
    assert is_same(before, tags, [name])
    assert not is_same(other, tags, [name])
    assert not is_same(before, {}, [name])  # read by a version that kept no fingerprint
    assert is_same(other, tags, [])

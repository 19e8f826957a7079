"""Every sampler and pruner of the tables drives a small cell."""

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sweep.adapters.optuna import rules
from sweep.adapters.optuna.rules import check_rules
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.referee.referee import Referee
from sweep.referee.stores import PastTrial
from sweep.spec.search import PRUNERS, SAMPLERS
from tests.sweep.specs import small_spec
from tests.sweep.stage import MemoryTracker, Theatre, studies

CELL = "symmetric-0.4-noisy/alm_kd"
SAMPLER_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"n_startup_trials": 3},
    "gp": {"n_startup_trials": 3},
    "cmaes": {"n_startup_trials": 3},
    "grid": {"points": 2},
    "nsgaii": {"population_size": 3},
    "nsgaiii": {"population_size": 3},
}
PRUNER_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "median": {"n_startup_trials": 0},
    "percentile": {"percentile": 50.0, "n_startup_trials": 0},
    "successive_halving": {"min_resource": 1, "reduction_factor": 2},
    "hyperband": {"min_resource": 1, "max_resource": 4, "reduction_factor": 2},
    "threshold": {"lower": 60.0},
    "patient": {"patience": 1, "wrapped": {"name": "median", "n_startup_trials": 0}},
    "wilcoxon": {"p_threshold": 0.4, "n_startup_steps": 1},
}


def _plan(changes: Mapping[str, Any]) -> Plan:
    """One cell of three generations of three."""
    methods = [{"method": "alm_kd", "baseline": True}]
    one_cell = {"conditions.noise_rate": [0.4], "methods": methods, "search.trials": 9}
    return Plan(small_spec({**one_cell, **changes}))


def _history(plan: Plan, folder: Path) -> list[PastTrial]:
    check_rules(plan.spec)
    kept = studies(plan, folder)
    Theatre(Referee(plan, kept, MemoryTracker())).play()
    return kept.history(CELL)


def test_names_in_specs_are_those_of_the_tables() -> None:
    assert set(SAMPLERS) == set(rules.SAMPLERS)
    assert set(PRUNERS) == set(rules.PRUNERS)


@pytest.mark.parametrize("name", SAMPLERS)
def test_sampler_proposes_legal_trials_the_same_each_time(tmp_path: Path, name: str) -> None:
    rule = {"name": name, **SAMPLER_PARAMETERS.get(name, {})}
    changes: dict[str, Any] = {"search.sampler": rule, "search.pruner": {"name": "none"}}
    if name == "brute_force":
        changes["methods.0.pin"] = {"lr": 0.1, "temperature": 2.0, "meta_lr": 10.0}
        changes["search.own.alm_kd.grad_fit"] = {"choices": [1, 2, 3, 4, 5]}
    plan = _plan(changes)
    if name == "cmaes" and importlib.util.find_spec("cmaes") is None:
        with pytest.raises(BadInput, match=r"needs the package 'cmaes'.*pip install cmaes"):
            check_rules(plan.spec)
        return
    histories = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        histories.append(_history(plan, folder))
    assert histories[0] == histories[1]
    assert len(histories[0]) == 9
    assert {trial.state for trial in histories[0]} == {"complete"}
    space = plan.cells[0].space
    assert all(set(trial.params) == set(space) for trial in histories[0])
    assert len({str(sorted(trial.params.items())) for trial in histories[0]}) > 4


@pytest.mark.parametrize("name", ["grid", "brute_force"])
def test_sampler_that_has_tried_everything_begins_again(tmp_path: Path, name: str) -> None:
    plan = _plan(
        {
            "search.sampler": {"name": name},
            "methods.0.pin": {"lr": 0.1, "temperature": 2.0, "meta_lr": 10.0},
            "search.pruner": {"name": "none"},
        }
    )
    assert list(plan.cells[0].space) == ["variant"]
    tried = [trial.params["variant"] for trial in _history(plan, tmp_path)]
    assert len(tried) == 9
    assert set(tried) == {"convex", "box"}


@pytest.mark.parametrize("name", PRUNERS)
def test_pruner_stops_trials_and_none_stops_none(tmp_path: Path, name: str) -> None:
    rule = {"name": name, **PRUNER_PARAMETERS.get(name, {})}
    history = _history(_plan({"search.pruner": rule}), tmp_path)
    states = [trial.state for trial in history]
    assert len(states) == 9
    assert set(states) <= {"complete", "pruned"}
    if name == "none":
        assert set(states) == {"complete"}
    elif name not in ("patient", "wilcoxon"):
        assert "pruned" in states


@pytest.mark.parametrize("name", ["patient", "wilcoxon"])
def test_pruner_that_waits_for_a_turn_for_the_worse_stops_it(tmp_path: Path, name: str) -> None:
    plan = _plan({"search.pruner": {"name": name, **PRUNER_PARAMETERS[name]},
                  "student.training.epochs": 12})  # fmt: skip
    kept = studies(plan, tmp_path)

    def curve(key: str, values: Mapping[str, object], epoch: int) -> float:
        worsens = key.endswith(("/4", "/7"))
        return 50.0 - epoch if worsens else 60.0 + epoch

    Theatre(Referee(plan, kept, MemoryTracker()), curve).play()
    pruned = [trial.number for trial in kept.history(CELL) if trial.state == "pruned"]
    assert pruned == [4, 7]

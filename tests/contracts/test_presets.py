"""Every preset is checked, planned, and, shrunk, run by the real trainers and the real studies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.adapters.optuna_rules import check_rules
from sweep.plan import Plan
from sweep.plan_text import describe
from sweep.referee import Referee
from sweep.spec import SweepSpec
from sweep.spec_reader import check_spec, presets, read_spec
from tests.sweep.specs import put
from tests.sweep.stage import MemoryTracker, studies, train_in_process
from trainers.data.datasets import load_dataset

EVERY = pytest.mark.parametrize("name", presets())
SHRUNK: Mapping[str, Any] = {
    "teacher.model.hidden": [16],
    "teacher.training.epochs": 2,
    "student.model.hidden": [8],
    "student.training.epochs": 2,
    "search.trials": 2,
    "search.generation": 2,
    "confirm.seeds": 2,
}


def _shrunk(spec: SweepSpec) -> SweepSpec:
    """The same methods on the same data in at most two noise rates, with tiny budgets."""
    data = spec.model_dump(mode="json")
    rates: Sequence[float] = data["conditions"]["noise_rate"]
    for path, value in {**SHRUNK, "conditions.noise_rate": [*rates[:1], *rates[1:][-1:]]}.items():
        put(data, path, value)
    return check_spec(data, "shrunk")


@EVERY
def test_preset_is_a_spec_that_can_be_planned(name: str) -> None:
    spec = read_spec(name)
    check_rules(spec)
    assert spec.name == name
    assert spec.description
    assert describe(spec)
    assert Plan(spec).budget().confirm_runs > 0


@EVERY
def test_preset_writes_no_field_that_it_does_not_mean(name: str) -> None:
    text = presets()[name].read_text(encoding="utf-8")
    again = yaml.safe_load(yaml.safe_dump(read_spec(name).model_dump(mode="json")))
    assert text.startswith("# ")
    assert check_spec(again, name) == read_spec(name)


@EVERY
def test_shrunk_preset_runs_to_its_end(name: str, tmp_path: Path) -> None:
    plan = Plan(_shrunk(read_spec(name)))
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, tmp_path), tracker)
    for _, outcomes in train_in_process(referee, load_dataset(plan.spec.data_settings())):
        assert outcomes
    progress = referee.progress()
    assert progress.done == progress.planned
    assert not progress.states.get("failed")
    metric = plan.spec.objective.metric
    for run in tracker.of("confirm").values():
        assert run.states == ["running", "complete"]
        assert f"test_{metric}" in run.last
    for stage in ("teacher", "search"):
        assert all(f"test_{metric}" not in run.last for run in tracker.of(stage).values())

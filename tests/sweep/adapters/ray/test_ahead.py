"""What Ray starts ahead on this machine: as many processes as train, or none."""

import subprocess
import sys
from typing import Any

import pytest
from ray._private.node import Node

from sweep.adapters.ray import ahead
from tests.sweep.specs import small_spec


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "get_num_cpus", lambda: 2)


def test_processes_are_started_ahead_where_each_finds_a_cohort() -> None:
    settings = ahead.system_config(small_spec(), cohorts=2)
    assert settings["enable_worker_prestart"]
    assert settings["preload_python_modules"] == [ahead.LOADED]


@pytest.mark.parametrize(
    ("cohorts", "resources"),
    [(1, {}), (9, {"cpus": 2}), (9, {"gpus": 1}), (9, {"custom": {"node": 1}})],
)
def test_none_is_where_one_would_find_none(cohorts: int, resources: dict[str, Any]) -> None:
    assert (
        ahead.system_config(
            small_spec({f"resources.{name}": value for name, value in resources.items()}), cohorts
        )
        == {}
    )


def test_what_is_not_used_is_left_out_within_the_block_alone() -> None:
    before = [getattr(Node, name) for name in ahead.UNUSED]
    with ahead.without_unused():
        assert all(getattr(Node, name)(None) is None for name in ahead.UNUSED)
    assert [getattr(Node, name) for name in ahead.UNUSED] == before


@pytest.mark.parametrize("is_referee", [False, True])
def test_what_trains_is_loaded_ahead_and_not_by_the_referee(is_referee: bool) -> None:
    referee = f"os.environ[{ahead.REFEREE!r}] = '1'\n" if is_referee else ""
    script = (
        f"import os, sys\n{referee}import {ahead.LOADED}\n"
        f"assert ('torch' in sys.modules) is {not is_referee}\n"
        "assert not {'mlflow', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

"""Processes load what they need: one that trains none of what would open a database, and one that
reads or writes runs, as the referee and most commands, no torch.

Ray imports the referee's module where it trains, too, for the handle.
"""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from ray.exceptions import ActorUnavailableError

from sweep import training
from sweep.adapters.ray import worker
from sweep.adapters.ray.dispatch import Dispatch
from sweep.adapters.ray.worker import CohortTrainable
from sweep.plan.plan import Plan
from sweep.plan.tasks import confirm_cohort
from tests.sweep.specs import small_spec

TRAINS = """
import sweep.adapters.ray.worker, sweep.adapters.ray.referee_actor, sweep.training
"""
KEEPS_RUNS = """
import sweep.adapters.ray.referee_actor, sweep.adapters.optuna.studies
import sweep.adapters.mlflow.tracking, sweep.adapters.mlflow.store, sweep.exporting
"""


@pytest.mark.parametrize(
    ("program", "not_loaded"),
    [(TRAINS, ("mlflow", "optuna", "sqlalchemy", "psycopg")), (KEEPS_RUNS, ("torch",))],
    ids=["trains", "keeps runs"],
)
def test_a_process_loads_nothing_that_it_has_no_use_for(
    program: str, not_loaded: tuple[str, ...]
) -> None:
    told = f"import sys\nprint(*[name for name in {not_loaded} if name in sys.modules])\n"
    ended = subprocess.run(
        [sys.executable, "-c", program + told], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == []


class _Referee:
    """As its handle: calls are noted, and have no answer but the first, a cohort."""

    def __init__(self, dispatch: Dispatch) -> None:
        self.called: list[str] = []
        self._dispatch = dispatch

    def __getattr__(self, name: str) -> object:
        def remote(*_: object) -> object:
            self.called.append(name)
            return self._dispatch if name == "fetch" else None

        return SimpleNamespace(remote=remote)


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> CohortTrainable:
    """One that trains, but for Ray."""
    plan = Plan(small_spec())
    task = confirm_cohort(plan, plan.searches[0], 0, {}, (1,))
    monkeypatch.setattr(worker, "_me", lambda: None)
    monkeypatch.setattr(worker.ray, "get", lambda answer: answer)
    made = CohortTrainable.__new__(CohortTrainable)
    made._cohort, made._referee = task.id, _Referee(Dispatch(task, [None], {}, {}, b"", 60.0, 1.0))
    return made


def _raises(error: Exception) -> Callable[..., None]:
    def train(*_: object) -> None:
        raise error

    return train


def test_a_cohort_that_raises_is_told_to_have_failed(
    process: CohortTrainable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "train", _raises(ValueError("of the method")))
    assert process.step()["done"]
    assert process._referee.called == ["fetch", "failed"]


def test_a_process_that_cannot_reach_the_referee_is_lost_and_what_it_trained_has_not_failed(
    process: CohortTrainable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "train", _raises(ActorUnavailableError("reset", None)))
    with pytest.raises(ActorUnavailableError):
        process.step()
    assert process._referee.called == ["fetch"]

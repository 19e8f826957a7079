"""Processes load what they need: one that trains none of what would open a database, and one that
reads or writes runs, as the referee and most commands, no torch.

Ray imports the referee's module where it trains, too, for the handle.
"""

import subprocess
import sys

import pytest

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

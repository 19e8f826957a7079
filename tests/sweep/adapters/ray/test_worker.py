"""A process that trains needs no database: it loads none of what would open one.

Ray imports the referee's module where it trains, too, for the handle.
"""

import subprocess
import sys

PROGRAM = """
import sys
import sweep.adapters.ray.worker, sweep.adapters.ray.referee_actor, sweep.training
print(*[name for name in ("mlflow", "optuna", "sqlalchemy", "psycopg") if name in sys.modules])
"""


def test_a_process_that_trains_loads_nothing_of_the_stores() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert ended.stdout.split() == []

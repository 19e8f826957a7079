"""``--then CMD``: a command of the user's own at the end of a launch."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from sweep.errors import BadInput, SweepFailed
from sweep.terminal import echo

State = Literal["complete", "failed", "interrupted"]
TABLE = "comparison.csv"


@contextmanager
def then(command: str | None, sweep: str, results: Path) -> Iterator[None]:
    """Run ``command``, if there is one, once the block is over, however it ended.

    What was refused as BadInput never began, and runs none. ``results``: where the tables of the
    sweep are.
    """
    try:
        yield
    except BadInput:
        raise
    except KeyboardInterrupt:
        _run(command, sweep, "interrupted", results)
        raise
    except (SweepFailed, OSError):
        _run(command, sweep, "failed", results)
        raise
    _run(command, sweep, "complete", results)


def _run(command: str | None, sweep: str, state: State, results: Path) -> None:
    """Run it in a shell; that it failed is told, and changes nothing else."""
    from sweep.results import REPORT

    if command is None:
        return
    about = {
        "ALMKD_SWEEP": sweep,
        "ALMKD_STATE": state,
        # What lies there after a launch that did not end well is of an earlier one.
        "ALMKD_TABLE": str((results / TABLE).resolve()) if state == "complete" else "",
        "ALMKD_REPORT": str((results / REPORT).resolve()) if state == "complete" else "",
    }
    sys.stdout.flush()
    code = subprocess.run(command, shell=True, env={**os.environ, **about}, check=False).returncode
    if code:
        echo(
            f"almkd: --then {command!r}: ended with exit code {code}; the launch is {state} all "
            "the same",
            err=True,
        )

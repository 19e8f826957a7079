"""Cohorts of the search that stand still in the midst of their training until they are let go on.

What the rehearsal does to a sweep needs trials in flight, and some that are still to come. Were
cohorts to train as fast as they can, it would be a matter of luck, and of what else a machine does,
how many are left when the time has come.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from tests.faults.sabotage import changed

# The epoch after which a cohort stands still: one that each comes to, whatever a pruner says.
EPOCH = 1
LOOK_EVERY_S = 0.05
STANDS_WITHIN_S = 300.0
_CHANGE = """
from tests.rehearsal.held import stand_still
module.train = stand_still(module.train, {place!r})
"""


class Held:
    """Which cohorts may go on, as files in a directory that workers know of.

    ``hook``: the directory that makes a process that trains keep to it, on its PYTHONPATH.
    """

    def __init__(self, place: Path) -> None:
        """``place``: of its own; made here."""
        self._place, self.hook = place, place / "hook"
        for folder in (_goes(place), _stands(place), self.hook):
            folder.mkdir(parents=True)
        changed(self.hook, "sweep.training", _CHANGE.format(place=str(place)))
        self._let_go = 0

    def let_one_go(self) -> None:
        """One cohort of those that stand still, or that will, goes on to its end."""
        self._let_go += 1
        (_goes(self._place) / str(self._let_go)).touch()

    def let_all_go(self) -> None:
        """From now on none stands still."""
        _all_go(self._place).touch()

    def wait_for(self, cohorts: int) -> None:
        """Wait until so many stand still; TimeoutError if they do not."""
        deadline = time.monotonic() + STANDS_WITHIN_S
        while (seen := self._standing()) < cohorts:
            if time.monotonic() > deadline:
                raise TimeoutError(f"only {seen} of {cohorts} cohorts are in their training")
            time.sleep(LOOK_EVERY_S)

    def _standing(self) -> int:
        """Those whose processes were killed have left their files."""
        return sum(psutil.pid_exists(int(file.name)) for file in _stands(self._place).iterdir())


def stand_still(train: Callable[..., Any], place: str) -> Callable[..., Any]:
    """`sweep.training.train` that has cohorts of the search stand still."""

    def held(task: Any, dataset: Any, kept: Any, report: Any, *others: Any) -> Any:
        def reported(epoch: int, names: Sequence[str], rows: Sequence[object]) -> Any:
            answer = report(epoch, names, rows)
            if epoch == EPOCH and task.stage == "search":
                _wait(Path(place))
            return answer

        return train(task, dataset, kept, reported, *others)

    return held


def _wait(place: Path) -> None:
    """Until this cohort, or all, may go on."""
    stands = _stands(place) / str(os.getpid())
    stands.touch()
    while not (_all_go(place).exists() or _takes_a_turn(place)):
        time.sleep(LOOK_EVERY_S)
    stands.unlink()


def _takes_a_turn(place: Path) -> bool:
    """Whether it is this cohort that may go on: who removes the file is."""
    for file in _goes(place).iterdir():
        try:
            file.unlink()
        except FileNotFoundError:
            continue
        return True
    return False


def _goes(place: Path) -> Path:
    return place / "goes"


def _stands(place: Path) -> Path:
    return place / "stands"


def _all_go(place: Path) -> Path:
    return place / "all-go"

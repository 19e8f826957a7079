"""What the contracts need of a task, so that every row of its tables can be held to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.trainers.cases import Trial, various_trials
from trainers.data.dataset import Dataset
from trainers.entries import TaskEntry
from trainers.fields import Value
from trainers.loop.cohort import Cohort
from trainers.settings import DataSpec, ModelSpec, Option


@dataclass(frozen=True)
class Specimen:
    """A task in small.

    ``cohort``: of a method, trials and a number of epochs a cohort on made-up data, of at least
    five training examples, whose teachers are called ``strong`` and ``weak``. ``lively``: by
    method the values, trial by trial, under which three epochs show all that it does; where they
    are the defaults it is left out. ``rates``: learning rates at which its students learn.
    ``tallied``: metrics that training batches are measured by; ``undefined``: those that have no
    value on the made-up data.

    ``model``: a small student of examples of any data set. ``options``: what a data set is told so
    that it loads, with its files made in a folder; nothing where they cannot be made up.
    ``check``: asserts that a data set that was loaded is what the task has, beside what holds for
    all tasks.
    """

    task: TaskEntry
    cohort: Callable[[str, Sequence[Trial], int], Cohort]
    lively: Mapping[str, Sequence[Mapping[str, Value]]]
    rates: Sequence[float]
    tallied: Sequence[str]
    undefined: Sequence[str]
    model: ModelSpec
    options: Callable[[str, Path], Mapping[str, Option]]
    check: Callable[[DataSpec, Dataset], None]

    def trials(self, method: str, count: int) -> list[Trial]:
        """Trials under which ``method`` does all that it does, each another way."""
        values = self.lively.get(method, ({},))
        return various_trials(self.task, method, values, self.rates, count)

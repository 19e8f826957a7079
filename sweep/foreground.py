"""One training of a sweep in this process, where a debugger works: a cell's, with its teachers.

Nothing is written and nothing is caught. Seeds and data are those of a sweep, so that the numbers
are those of the same training in one. The test split is not read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sweep.adapters.ray.teacher_store import TeacherStore
from sweep.errors import BadInput, unknown
from sweep.plan.plan import Cell, CellSearch, Plan
from sweep.plan.tasks import CohortTask, LaneOutcome, search_cohort, teacher_cohort
from sweep.plan.teacher_jobs import TeacherJob
from sweep.spec.spec import SweepSpec
from sweep.training import take_given, train
from trainers.data.dataset import Dataset
from trainers.fields import Value
from trainers.loop.cohort import Metrics
from trainers.loop.live_teachers import Weights
from trainers.task import GivenTeacher, KeptOutputs

# Told after every epoch: its number, and what was measured.
Tell = Callable[[int, Metrics], None]


@dataclass(frozen=True)
class Training:
    """What is trained: a cell's student with these hyperparameters, others at their defaults."""

    plan: Plan
    cell: Cell
    values: Mapping[str, Value]
    seed: int

    def __post_init__(self) -> None:
        """BadInput where the method does not take the values."""
        use, spec, entry = self.cell.use, self.cell.spec, self.cell.entry
        for name, value in self.values.items():
            try:
                spec.searched(use).check(name, value, f"--value {name}={value}")
            except ValueError as error:
                raise BadInput(str(error)) from None
        fixed = {h.name: h.default for h in entry.hyperparameters}
        given = {**fixed, **use.pin, **self.values}
        problem = entry.teacher_problem(spec.teachers_of(use), given) or entry.problem_with(given)
        if problem:
            raise BadInput(f"{use.label} {problem}")

    @property
    def teachers(self) -> tuple[TeacherJob, ...]:
        """What trains the teachers that it reads, each after its parent, and its warm start."""
        return tuple(dict.fromkeys(self.plan.jobs_of(self.cell, self.seed)))

    @property
    def task(self) -> CohortTask:
        """The student alone; as in a search, so that the test split is not read."""
        search = CellSearch(self.cell, self.cell.id, self.seed, ())
        return search_cohort(self.plan, search, {0: self.values}, 0)


@dataclass
class Teachers:
    """The teachers of a training, and its warm start: from a directory where they are kept, else
    trained here.

    ``given``: those that are not trained, by `TeacherJob.given`.
    """

    dataset: Dataset
    directory: Path
    given: Mapping[str, GivenTeacher] = field(default_factory=dict)
    outputs: dict[str, KeptOutputs] = field(default_factory=dict)
    weights: dict[str, Weights] = field(default_factory=dict)

    def take(self, job: TeacherJob) -> bool:
        """Have the teachers that ``job`` leaves from the directory; False if they are not there."""
        if not self.directory.is_dir():
            return False
        store = TeacherStore(self.directory)
        found, _ = store.outputs(job.names)
        if set(found) != set(job.names):
            return False
        self.outputs.update(found)
        self.weights.update({name: store.weights(name) for name in job.names})
        return True

    def train(self, job: TeacherJob) -> None:
        """Have them by training, or as they are given."""
        task = teacher_cohort((job,))
        if job.given:
            _, trained = take_given(task, self.dataset, self.given[job.given])
        else:
            _, trained = train(task, self.dataset, self.outputs, go_on, self.weights)
        for name, teacher in trained.items():
            self.outputs[name] = teacher.outputs
            self.weights[name] = {key: t.numpy() for key, t in teacher.parameters.items()}


def find_cell(plan: Plan, wanted: str | None) -> Cell:
    """The cell of that name; BadInput, listing the cells, if there is none."""
    cells = {cell.id: cell for cell in plan.cells}
    if wanted in cells:
        return cells[wanted]
    if wanted is None:
        raise BadInput(f"--cell: is missing; give one of {', '.join(cells)}")
    raise BadInput(f"--cell: {unknown(f'cell of {plan.spec.name}', wanted, cells)}")


def compute_as_workers_do(spec: SweepSpec) -> None:
    """Have torch take as many threads as a worker's: with others, last bits differ."""
    torch.set_num_threads(max(1, int(spec.resources.cpus)))


def train_student(training: Training, teachers: Teachers, tell: Tell) -> LaneOutcome:
    """Train it; what it leaves at the epoch that counts."""
    task = training.task

    def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Sequence[bool]:
        tell(epoch, rows[0])
        return [True]

    outcomes, _ = train(task, teachers.dataset, teachers.outputs, report, teachers.weights)
    (outcome,) = outcomes.values()
    return outcome


def go_on(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Sequence[bool]:
    """Whatever is reported, every lane goes on."""
    return [True] * len(names)

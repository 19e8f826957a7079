"""What a process is handed to train: a cohort with its lanes, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sweep.plan.plan import Cell, Plan
from sweep.plan.teacher_jobs import TeacherJob
from trainers.fields import Value
from trainers.lanes.seeds import stream
from trainers.loading import changing
from trainers.registry import TASKS
from trainers.settings import CohortSpec, DataSpec, Lane, LaneSource, ModelSpec

# Stands for a trial's number where there is no search.
NO_TRIAL = -1

Stage = Literal["teacher", "search", "confirm"]


@dataclass(frozen=True)
class LaneTask:
    """One lane: its run's key (also the lane's name), how it trains and on what."""

    lane: Lane
    source: LaneSource

    @property
    def key(self) -> str:
        return self.lane.name


@dataclass(frozen=True)
class CohortTask:
    """A cohort to train; ``cell`` is empty for teachers, ``snapshots`` for all others.

    ``teacher_networks``: of the M teachers that every lane reads, in their order.
    """

    id: str
    stage: Stage
    cell: str
    spec: CohortSpec
    data: DataSpec
    lanes: tuple[LaneTask, ...]
    snapshots: tuple[int, ...] = ()
    teacher_networks: tuple[ModelSpec, ...] = ()

    @property
    def changes_inputs(self) -> bool:
        """Whether its teachers have to see what the students see."""
        method = TASKS[self.spec.task].methods[self.spec.method]
        return method.changes_inputs or bool(changing(self.data))

    @property
    def teachers(self) -> tuple[str, ...]:
        """The keys of all teachers that some lane reads."""
        return tuple(sorted({key for lane in self.lanes for key in lane.source.teachers}))


@dataclass(frozen=True)
class LaneOutcome:
    """What a lane that trained to its end leaves: metrics at its best epoch.

    In confirm also the test metrics, and an array per training example (N, ...) by name: ``row``
    in the data set, ``label`` as given, ``true_label``, and the tables of the method.
    """

    epochs: int
    best_epoch: int
    best: Mapping[str, float]
    test: Mapping[str, float] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)


def teacher_run(job: TeacherJob) -> str:
    """The key of a teacher's run."""
    return f"teacher/{job.key}"


def trial_run(cell: str, number: int) -> str:
    """The key of a search trial's run."""
    return f"{cell}/trial/{number}"


def confirm_run(cell: str, trial: int, seed: int) -> str:
    """The key of a confirm run of the configuration that won the search as trial ``trial``."""
    return f"{cell}/confirm/{trial}/{seed}" if trial != NO_TRIAL else f"{cell}/confirm/{seed}"


def teacher_cohort(jobs: tuple[TeacherJob, ...]) -> CohortTask:
    """Teachers of one shape side by side; they may differ in labels, seeds and parents."""
    network = jobs[0].network
    lanes = tuple(
        LaneTask(
            Lane(
                teacher_run(job),
                stream(job.seed, "teacher"),
                {"lr": job.network.lr, "weight_decay": job.network.weight_decay},
            ),
            LaneSource(job.seed, job.labels, (job.parent,) if job.parent else ()),
        )
        for job in jobs
    )
    spec = CohortSpec(
        jobs[0].method,
        network.model.settings(),
        network.training.settings(),
        jobs[0].spec.selection(),
        jobs[0].spec.task_entry.name,
    )
    return CohortTask(
        f"teachers/{jobs[0].key}",
        "teacher",
        "",
        spec,
        jobs[0].spec.data_settings(),
        lanes,
        network.snapshots or (),
        (network.model.settings(),) if jobs[0].parent else (),
    )


def search_cohort(
    plan: Plan, cell: Cell, trials: Mapping[int, Mapping[str, Value]], generation: int
) -> CohortTask:
    """The trials of one generation of a cell: all under the search seed."""
    lanes = tuple(
        _student_lane(plan, cell, trial_run(cell.id, number), plan.search_seed, values)
        for number, values in trials.items()
    )
    return _student_cohort(plan, cell, f"{cell.id}/search/{generation}", "search", lanes)


def confirm_cohort(
    plan: Plan, cell: Cell, trial: int, values: Mapping[str, Value], seeds: tuple[int, ...]
) -> CohortTask:
    """One configuration of a cell under several fresh seeds."""
    lanes = tuple(
        _student_lane(plan, cell, confirm_run(cell.id, trial, seed), seed, values) for seed in seeds
    )
    return _student_cohort(plan, cell, confirm_run(cell.id, trial, seeds[0]), "confirm", lanes)


def _student_lane(
    plan: Plan, cell: Cell, key: str, seed: int, values: Mapping[str, Value]
) -> LaneTask:
    return LaneTask(
        Lane(key, seed, {**cell.use.pin, **values}),
        LaneSource(
            seed,
            cell.condition.labels,
            plan.teachers_of(cell, seed),
            cell.use.clean_use,
        ),
    )


def _student_cohort(
    plan: Plan, cell: Cell, name: str, stage: Stage, lanes: tuple[LaneTask, ...]
) -> CohortTask:
    student = cell.spec.student
    spec = CohortSpec(
        cell.use.method,
        student.model.settings(),
        student.training.settings(),
        cell.spec.selection(),
        cell.spec.task_entry.name,
    )
    return CohortTask(
        name,
        stage,
        cell.id,
        spec,
        cell.spec.data_settings(),
        lanes,
        teacher_networks=plan.teacher_networks(cell),
    )

"""What a process is handed to train: a cohort with its lanes, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sweep.plan import Cell, Plan, TeacherJob
from trainers.hyperparameters import Value
from trainers.seeds import stream
from trainers.settings import CohortSpec, DataSpec, Lane, LaneSource

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
    """A cohort to train; ``cell`` is empty for teachers."""

    id: str
    stage: Stage
    cell: str
    spec: CohortSpec
    data: DataSpec
    lanes: tuple[LaneTask, ...]

    @property
    def teachers(self) -> tuple[str, ...]:
        """The keys of all teachers that some lane reads."""
        return tuple(sorted({key for lane in self.lanes for key in lane.source.teachers}))


@dataclass(frozen=True)
class LaneOutcome:
    """What a lane that trained to its end leaves: metrics at its best epoch; test in confirm."""

    epochs: int
    best_epoch: int
    best: Mapping[str, float]
    test: Mapping[str, float] = field(default_factory=dict)


def teacher_run(job: TeacherJob) -> str:
    """The key of a teacher's run."""
    return f"teacher/{job.key}"


def trial_run(cell: str, number: int) -> str:
    """The key of a search trial's run."""
    return f"{cell}/trial/{number}"


def confirm_run(cell: str, trial: int, seed: int) -> str:
    """The key of a confirm run of the configuration that won the search as trial ``trial``."""
    return f"{cell}/confirm/{trial}/{seed}" if trial != NO_TRIAL else f"{cell}/confirm/{seed}"


def teacher_cohort(plan: Plan, jobs: tuple[TeacherJob, ...]) -> CohortTask:
    """Teachers side by side; they may differ in labels and seeds."""
    teacher = plan.spec.teacher
    values: dict[str, Value] = {"lr": teacher.lr, "weight_decay": teacher.weight_decay}
    lanes = tuple(
        LaneTask(
            Lane(teacher_run(job), stream(job.seed, "teacher"), values),
            LaneSource(job.seed, job.labels),
        )
        for job in jobs
    )
    spec = CohortSpec(
        "cross_entropy",
        teacher.model.settings(),
        teacher.training.settings(),
        plan.spec.objective.settings(),
    )
    name = f"teachers/{jobs[0].key}"
    return CohortTask(name, "teacher", "", spec, plan.spec.data_settings(), lanes)


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
    teachers = tuple(job.key for job in plan.teachers_of(cell, seed))
    return LaneTask(
        Lane(key, seed, {**cell.use.pin, **values}),
        LaneSource(seed, cell.condition.labels, teachers, plan.trains_on_meta(cell)),
    )


def _student_cohort(
    plan: Plan, cell: Cell, name: str, stage: Stage, lanes: tuple[LaneTask, ...]
) -> CohortTask:
    student = plan.spec.student
    spec = CohortSpec(
        cell.use.method,
        student.model.settings(),
        student.training.settings(),
        plan.spec.objective.settings(),
    )
    return CohortTask(name, stage, cell.id, spec, plan.spec.data_settings(), lanes)

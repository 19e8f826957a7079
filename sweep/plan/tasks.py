"""What a process is handed to train: a cohort with its lanes, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from sweep.plan.plan import Cell, CellSearch, Plan
from sweep.plan.teacher_jobs import TeacherJob
from trainers.fields import Value
from trainers.lanes.seeds import stream
from trainers.loading import changing
from trainers.registry import TASKS
from trainers.settings import CohortSpec, DataSpec, Lane, LaneSource, ModelSpec, SourceSpec

# Stands for a trial's number where there is no search.
NO_TRIAL = -1
# Above every seed that a spec can name, so that no confirm seed is one of a stream.
ABOVE_SEEDS = 1 << 63

Stage = Literal["teacher", "search", "shortlist", "confirm"]


@dataclass(frozen=True)
class LaneTask:
    """One lane: its run's key (also the lane's name), how it trains and on what, and the name of
    the search that it belongs to, empty for teachers and warm starts."""

    lane: Lane
    source: LaneSource
    search: str = ""

    @property
    def key(self) -> str:
        return self.lane.name


@dataclass(frozen=True)
class CohortTask:
    """A cohort to train, with lanes of one search or of several; ``snapshots``: of teachers.

    ``teacher_networks``: of the M teachers that every lane reads, in their order. ``given``: of a
    teacher that is not trained, by what name its arrays are at hand. ``source``: what light
    teachers are trained on in place of the data.
    """

    id: str
    stage: Stage
    spec: CohortSpec
    data: DataSpec
    lanes: tuple[LaneTask, ...]
    snapshots: tuple[int, ...] = ()
    teacher_networks: tuple[ModelSpec, ...] = ()
    given: str = ""
    source: SourceSpec | None = None

    @property
    def asks_teachers(self) -> bool:
        """Whether its teachers go along, beside what is kept of them."""
        task = TASKS[self.spec.task]
        changes = task.methods[self.spec.method].changes_inputs or bool(changing(self.data))
        return changes or task.teachers_go_along

    @property
    def teachers(self) -> tuple[str, ...]:
        """The keys of all teachers that some lane reads."""
        return tuple(sorted({key for lane in self.lanes for key in lane.source.teachers}))

    @property
    def starts(self) -> tuple[str, ...]:
        """The keys of all warm starts that some lane begins with."""
        return tuple(sorted({lane.source.start for lane in self.lanes if lane.source.start}))

    @property
    def is_of_starts(self) -> bool:
        """Whether its lanes are warm starts, which train in the stage of teachers."""
        return self.stage == "teacher" and not self.lanes[0].source.is_teacher

    @property
    def searches(self) -> tuple[str, ...]:
        """The names of the searches that its lanes belong to, in their order."""
        return tuple(dict.fromkeys(lane.search for lane in self.lanes if lane.search))


@dataclass(frozen=True)
class TrainedStudent:
    """A student at the epoch that counts: its parameters and buffers by name, without lanes, and
    what its task says of its inputs and outputs (`trainers.task.Task.facts`)."""

    weights: Mapping[str, Any]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class LaneOutcome:
    """What a lane that trained to its end leaves: metrics at its best epoch.

    ``trained_on``: how many examples; ``steps``: of an epoch. In confirm also the
    test metrics, and an array per training example (N, ...) by name: ``row``
    in the data set, ``label`` as given, ``true_label``, and the tables of the method;
    ``predictions``: the same of the test split; ``tables``: further ones of it, by name;
    ``student``: the network itself.
    """

    epochs: int
    best_epoch: int
    best: Mapping[str, float]
    test: Mapping[str, float] = field(default_factory=dict)
    examples: Mapping[str, Any] = field(default_factory=dict)
    trained_on: int = 0
    steps: int = 0
    predictions: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    student: TrainedStudent | None = None


def teacher_run(job: TeacherJob) -> str:
    """The key of a teacher's run."""
    return run_of_teacher(job.key)


def run_of_teacher(key: str) -> str:
    """The same, by the key of the teacher itself."""
    return f"teacher/{key}"


def trial_run(search: str, number: int) -> str:
    """The key of a search trial's run."""
    return f"{search}/trial/{number}"


def shortlist_run(search: str, trial: int, number: int) -> str:
    """The key of the run of a trial's configuration on the shortlist's stream ``number``."""
    return f"{search}/shortlist/{trial}/{number}"


def confirm_run(search: str, trial: int, seed: int) -> str:
    """The key of a confirm run of the configuration that won the search as trial ``trial``."""
    return f"{search}/confirm/{trial}/{seed}" if trial != NO_TRIAL else f"{search}/confirm/{seed}"


def teacher_cohort(jobs: tuple[TeacherJob, ...]) -> CohortTask:
    """Teachers of one shape side by side; they may differ in labels, seeds and parents. One that is
    given stands alone; warm starts stand apart from teachers."""
    network = jobs[0].network
    lanes = tuple(
        LaneTask(
            Lane(teacher_run(job), stream(job.seed, job.role), _told(job)),
            LaneSource(
                job.seed,
                job.labels,
                (job.parent,) if job.parent else (),
                fold=job.fold,
                is_teacher=not job.is_start,
            ),
        )
        for job in jobs
    )
    spec = CohortSpec(
        jobs[0].method,
        network.network,
        replace(network.training.settings(), epochs=jobs[0].epochs),
        jobs[0].selection,
        jobs[0].spec.task_entry.name,
    )
    return CohortTask(
        f"teachers/{jobs[0].key}",
        "teacher",
        spec,
        jobs[0].spec.data_settings(),
        lanes,
        network.snapshots or (),
        (network.network,) if jobs[0].parent else (),
        given=jobs[0].given,
        source=network.light_source,
    )


def _told(job: TeacherJob) -> dict[str, Value]:
    """What a teacher is trained with, or the file that it is in."""
    if job.network.given:
        return {str(job.network.given_as): job.network.given}
    return {"lr": job.network.lr, "weight_decay": job.network.weight_decay}


def search_cohort(
    plan: Plan, search: CellSearch, trials: Mapping[int, Mapping[str, Value]], generation: int
) -> CohortTask:
    """The trials of one generation of a search: all under its seed."""
    lanes = tuple(
        _student_lane(plan, search, trial_run(search.id, number), search.seed, values)
        for number, values in trials.items()
    )
    return _student_cohort(plan, search, f"{search.id}/search/{generation}", "search", lanes)


def shortlist_cohort(
    plan: Plan, search: CellSearch, runs: Sequence[tuple[int, Mapping[str, Value], int]]
) -> CohortTask:
    """Configurations on streams: the trial, its configuration, the number of the stream.

    Split, noise and teachers are the search's; first weights and batches are drawn anew, and equal
    for all configurations, and cells, on a stream.
    """
    lanes = tuple(
        _with_seed(
            _student_lane(
                plan, search, shortlist_run(search.id, trial, number), search.seed, values
            ),
            _apart(search.seed, "selection", number),
        )
        for trial, values, number in runs
    )
    return _student_cohort(plan, search, lanes[0].key, "shortlist", lanes)


def confirm_cohort(
    plan: Plan,
    search: CellSearch,
    trial: int,
    values: Mapping[str, Value],
    seeds: tuple[int, ...],
) -> CohortTask:
    """One configuration of a cell under several of the seeds that it is confirmed on.

    Where every seed has a search of its own, first weights and batches come from a stream of their
    own, as the run would else repeat a trial of that search.
    """
    lanes = tuple(
        _student_lane(plan, search, confirm_run(search.id, trial, seed), seed, values)
        for seed in seeds
    )
    if plan.spec.search.per_seed:
        lanes = tuple(_with_seed(lane, _apart(lane.lane.seed, "final")) for lane in lanes)
    name = confirm_run(search.id, trial, seeds[0])
    return _student_cohort(plan, search, name, "confirm", lanes)


def _apart(seed: int, *purpose: str | int) -> int:
    """A seed of first weights and batches that no spec can name."""
    return ABOVE_SEEDS + stream(seed, *purpose)


def _with_seed(task: LaneTask, seed: int) -> LaneTask:
    """The same lane with first weights and batches of another seed."""
    return replace(task, lane=replace(task.lane, seed=seed))


def _student_lane(
    plan: Plan, search: CellSearch, key: str, seed: int, values: Mapping[str, Value]
) -> LaneTask:
    cell = search.cell
    start = plan.start_of(cell, seed)
    return LaneTask(
        Lane(key, seed, {**cell.use.pin, **values}),
        LaneSource(
            seed,
            cell.condition.labels,
            plan.teachers_of(cell, seed),
            cell.use.clean_use,
            cell.spec.fold(seed),
            start=start.key if start else "",
        ),
        search.id,
    )


def cohort_spec(cell: Cell) -> CohortSpec:
    """How the students of a cell train."""
    spec = cell.spec
    return CohortSpec(
        cell.use.method,
        spec.student.model.settings(),
        spec.student_training(),
        spec.selection(),
        spec.task_entry.name,
    )


def _student_cohort(
    plan: Plan, search: CellSearch, name: str, stage: Stage, lanes: tuple[LaneTask, ...]
) -> CohortTask:
    cell = search.cell
    return CohortTask(
        name,
        stage,
        cohort_spec(cell),
        cell.spec.data_settings(),
        lanes,
        teacher_networks=plan.teacher_networks(cell),
    )


def together(tasks: Sequence[CohortTask]) -> CohortTask:
    """Cohorts of one stage, of cells that train alike, as one cohort."""
    first, *others = tasks
    if not others:
        return first
    lanes = tuple(lane for task in tasks for lane in task.lanes)
    return replace(first, id=f"{first.id}+{len(others)}", lanes=lanes)

"""What a comparison needs to know of a sweep, free of any tracking store.

An adapter reads a finished (or half-finished) sweep back from its tracking store and hands it over
as one `SweepRecord`. Statistics, tables, figures and the report are made from that record alone.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from search_spaces.domains import Domain
from sweep.plan.clean_labels import clean_labels
from sweep.plan.compute import Allotted
from sweep.plan.limits import contained_in_words
from sweep.plan.plan import Cell, Condition, Plan
from sweep.plan.search_end import SearchEnd
from sweep.plan.teacher_calls import calls_of
from sweep.spec.axes import overlap
from sweep.spec.spec import SweepSpec
from trainers.entries import ExampleTables, Metric, OracleMetrics

Direction = Literal["maximize", "minimize"]
Splits = Literal["drawn", "given", "folds"]

TEACHER = "teacher"
# What decides where tasks end.
ENDS_OF_TASKS = ("data.stream", "data.dataset", "student.training")
PLAIN = "labels_only"  # the method of students without teachers
STAGES = ("teacher", "search", "shortlist", "confirm")
STATES = ("complete", "pruned", "failed", "running", "interrupted")

# Column -> meaning. `{metric}` stands for the metric that is compared, `{objective}` for the one
# that search improves. One row per trial of any stage.
TRIAL_COLUMNS: Mapping[str, str] = {
    "sweep": "name of the sweep",
    "stage": "teacher, search, shortlist or confirm",
    "cell": "identifier of the cell (method x condition) the trial belongs to",
    "method": "label of the method; in the teacher stage 'teacher' or 'warm start'",
    "noise_kind": "how labels were corrupted",
    "noise_rate": "share of corrupted training labels, in [0, 1]",
    "teacher_labels": "which labels the teacher was trained on",
    "trial": "number of the trial within its search, of a shortlist run that of the trial whose "
    "configuration it has, nullable integer; missing elsewhere",
    "seed": "integer seed of split and noise; outside the shortlist also of weights and batches",
    "stream": "number of the shortlist's draw of weights and batches, nullable integer",
    "state": "complete, pruned, failed, running or interrupted",
    "reason": "why the trial did not complete; missing where it did",
    "validation_{objective}": "best over epochs on the validation split, in the objective's unit",
    "best_epoch": "epoch of the best validation value, from 1",
    "test_{metric}": "test value of the best epoch, in the record's unit; confirm stage only",
    "epochs_trained": "number of epochs run, whatever the state",
    "train_examples": "how many examples it trained on, nullable integer; missing until it ends",
    "steps_per_epoch": "steps of an epoch, nullable integer; missing until it ends",
    "started": "when a process began to train it, seconds since 1970 (UTC); missing where unknown",
    "wall_s": "wall-clock time, seconds; trials of a cohort train side by side and share it",
    "cohort": "the cohort it trained in, which is one process; missing where unknown",
    "params": "hyperparameters as a JSON object with sorted keys",
    "run_id": "identifier of the run in the tracking store",
}


# Columns of whole numbers that may be missing, and their type.
WHOLE: Mapping[str, str] = dict.fromkeys(
    ("trial", "stream", "best_epoch", "train_examples", "steps_per_epoch"), "Int64"
)


@dataclass(frozen=True)
class HeardTeacher:
    """A teacher that a cell's students hear, in every seed one of that making.

    ``name``: its network, or the file that it was given in; ``labels``: which it was trained on, in
    words; ``is_given``: it was not trained here. ``values``: of the objective on the validation
    split, by confirm seed where it was measured; of a given one there is one for all.
    ``comparable``: whether students are measured on the same examples and labels, and are told as
    much. ``reads_targets``: whether it is shown what it has to tell; ``told``: values as above of
    the metrics by which teachers are judged of which some are. ``count``: how many teachers it
    leaves, as snapshots of one training.
    """

    name: str
    labels: str
    is_given: bool
    values: tuple[float, ...]
    comparable: bool
    reads_targets: bool = False
    told: tuple[tuple[str, tuple[float, ...]], ...] = ()
    count: int = 1


# Compared by identity: a data frame has no truth value to build an equality from.
@dataclass(frozen=True, eq=False)
class SweepRecord:
    """A sweep as planned, and every trial of it as it went.

    Rules checked at construction raise ValueError with the offending value. The frame is neither
    copied nor changed; whoever made it leaves it alone afterwards.
    """

    name: str
    dataset: str
    metric: str  # that is compared, such as "accuracy"; its column is test_<metric>
    unit: str  # of the metric, such as "percent"; empty where it has none
    direction: Direction
    methods: tuple[str, ...]  # labels in the order of the spec
    baselines: tuple[str, ...]  # one or more of the methods
    conditions: tuple[Condition, ...]  # in the order of the spec
    confirm_seeds: tuple[int, ...]  # planned, whether or not they ran
    planned_trials: Mapping[str, int]  # method label -> search trials planned in each of its cells
    trials: pd.DataFrame  # one row per trial, columns as in TRIAL_COLUMNS
    # cell -> what it was given, where budgets are equal in compute; empty where they are in trials
    allotted: Mapping[str, Allotted] = field(default_factory=dict)
    curve_metrics: tuple[str, ...] = ()  # logged in every epoch, in the order of their columns
    spaces: Mapping[str, Mapping[str, Domain]] = field(default_factory=dict)  # label -> searched
    device: Literal["CPU", "GPU"] = "CPU"
    devices: float = 1.0  # that a cohort takes
    searched: Metric | None = None  # what search improves; None: the metric that is compared
    others: tuple[Metric, ...] = ()  # test metrics beside, each a column test_<name> of the trials
    against: tuple[Metric, Metric] | None = None  # that the task draws against each other
    exploratory: bool = False  # the metric is looked at, not tested: no p, and nothing is called
    axes: tuple[str, ...] = ()  # what conditions vary beside noise; a column of the trials each
    # (condition, method) -> name of the cell that is shown there, where it is not their own: one
    # that does not read what sets conditions apart is trained once.
    cells: Mapping[tuple[Condition, str], str] = field(default_factory=dict)
    clean: Mapping[str, str] = field(default_factory=dict)  # cell -> its clean labels, in words
    # cell -> how many outputs of teachers a student reads, in words; empty without a limit
    calls: Mapping[str, str] = field(default_factory=dict)
    learns_weights: tuple[str, ...] = ()  # labels of rows that learn from held-out clean labels
    splits: Splits = "drawn"  # anew for every seed, given, or of a cross-validation
    per_seed: bool = False  # every confirm seed has a search of its own
    # Epochs of a task, where classes come one task after the other and these end alike in every
    # condition; None elsewhere.
    epochs_of_task: int | None = None
    # cell -> the rows that it contains, by label, and at which hyperparameters
    contains: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    enqueued: Mapping[str, int] = field(default_factory=dict)  # cell -> trials that the spec names
    # Comparisons that are tested, as the names of two cells; None: of every row that is no baseline
    # with every baseline in every condition.
    declared: frozenset[tuple[str, str]] | None = None
    # cell -> the teachers that its students hear, in the order of the spec
    teachers: Mapping[str, tuple[HeardTeacher, ...]] = field(default_factory=dict)
    oracles: OracleMetrics | None = None  # what is told of teachers that read targets
    example_tables: ExampleTables = "none"  # what runs have tables of, of a few examples
    plain: str = ""  # the row that learns from labels alone, if there is one
    # sweep -> where a limit of time ended its searches
    search_ends: Mapping[str, SearchEnd] = field(default_factory=dict)
    # Cells that none of the sweeps has of which this record was joined.
    absent: frozenset[str] = frozenset()
    # On runs in the tracking store that do not count, and on those that it lacks, a line each.
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_plan(self)
        _check_columns(self.trials, trial_columns(self.metric, self.objective.name))
        _check_choices(self.trials, "stage", STAGES)
        _check_choices(self.trials, "state", STATES)
        _check_cells(self)
        _check_confirm_runs(self)

    @property
    def test_column(self) -> str:
        """Name of the column of test values."""
        return f"test_{self.metric}"

    @property
    def objective(self) -> Metric:
        """What search improves, on the validation split."""
        return self.searched or Metric(self.metric, "", self.unit, self.direction)

    @property
    def validation_column(self) -> str:
        """Name of the column of validation values."""
        return f"validation_{self.objective.name}"

    @property
    def measured_against(self) -> tuple[Metric, ...]:
        """The two metrics that the task draws against each other; none where one has no column."""
        measured = {self.metric, *(metric.name for metric in self.others)}
        named = self.against or ()
        return named if all(metric.name in measured for metric in named) else ()

    def looking_at(self, metric: Metric) -> "SweepRecord":
        """The same about another metric, which is looked at and not tested."""
        return replace(
            self,
            metric=metric.name,
            unit=metric.unit,
            direction=metric.direction,
            searched=self.objective,
            others=(),
            exploratory=True,
        )

    @property
    def challengers(self) -> tuple[str, ...]:
        """Methods that are not baselines, in the order of the spec."""
        return tuple(method for method in self.methods if method not in self.baselines)

    def cell(self, condition: Condition, method: str) -> str:
        """The name of the cell that is shown for a method in a condition."""
        return self.cells.get((condition, method), f"{condition}/{method}")

    def planned(self, condition: Condition, method: str) -> int:
        """How many search trials the cell of a method in a condition has."""
        given = self.allotted.get(self.cell(condition, method))
        return given.trials if given else self.planned_trials.get(method, 0)

    @cached_property
    def shown(self) -> dict[str, tuple[Condition, str]]:
        """Every cell that there is, by name: the first condition in which it is shown, and its
        method."""
        places: dict[str, tuple[Condition, str]] = {}
        for condition in self.conditions:
            for method in self.methods:
                if (cell := self.cell(condition, method)) not in self.absent:
                    places.setdefault(cell, (condition, method))
        return places

    @cached_property
    def scores_by_cell(self) -> dict[str, dict[int, float]]:
        """Test values of finished confirm runs by seed, in order of seed, by cell."""
        confirm = self.trials[self.trials["stage"] == "confirm"]
        done = completed(confirm, self.test_column).sort_values("seed")
        found: dict[str, dict[int, float]] = {}
        columns = (done[name] for name in ("cell", "seed", self.test_column))
        for cell, seed, value in zip(*columns, strict=True):
            found.setdefault(str(cell), {})[int(seed)] = float(value)
        return found

    @cached_property
    def rows_by_cell(self) -> Mapping[Hashable, pd.DataFrame]:
        """Rows of `trials` by stage and cell; what has no row is not there."""
        return dict(iter(self.trials.groupby(["stage", "cell"], sort=False)))


def _against(spec: SweepSpec) -> tuple[Metric, Metric] | None:
    entry = spec.task_entry
    if entry.against is None:
        return None
    first, second = entry.against
    return entry.metrics[first], entry.metrics[second]


def _epochs_of_task(spec: SweepSpec) -> int | None:
    training = spec.student_training()
    varied = any(overlap(axis.fields, ENDS_OF_TASKS) for axis in spec.axes)
    return training.epochs if training.phases > 1 and not varied else None


def of_plan(plan: Plan) -> dict[str, Any]:
    """The fields of a record that follow from its plan alone."""
    spec = plan.spec
    return {
        "methods": tuple(use.label for use in spec.methods),
        "baselines": plan.baselines,
        "planned_trials": {cell.use.label: _searched(plan, cell) for cell in plan.cells},
        "allotted": {
            cell_id: replace(given, trials=_searched(plan, plan.cell(cell_id)))
            for cell_id, given in plan.allotted.items()
        },
        "spaces": {use.label: spec.space_of(use) for use in spec.methods},
        "clean": {cell.id: str(clean_labels(cell)) for cell in plan.cells},
        "calls": calls_of(plan),
        "against": _against(spec),
        "oracles": spec.task_entry.oracles,
        "example_tables": spec.task_entry.example_tables,
        "epochs_of_task": _epochs_of_task(spec),
        "learns_weights": tuple(u.label for u in spec.methods if spec.entry_of(u).uses_meta),
        "enqueued": {cell.id: len(cell.enqueued) for cell in plan.cells if cell.enqueued},
        "plain": next((use.label for use in spec.methods if use.method == PLAIN), ""),
        "contains": {
            cell.id: contained_in_words(cell.use, cell.entry, cell.space, spec.methods)
            for cell in plan.cells
        },
    }


def _searched(plan: Plan, cell: Cell) -> int:
    """The trials of all searches of a cell."""
    return plan.trials_of(cell) * len(plan.searches_of(cell))


def trial_columns(metric: str, objective: str) -> tuple[str, ...]:
    """Columns of a frame of trials for these metrics, in the order of TRIAL_COLUMNS."""
    return tuple(column.format(metric=metric, objective=objective) for column in TRIAL_COLUMNS)


def scores(record: SweepRecord, condition: Condition, method: str) -> dict[int, float]:
    """Seed -> test value of a cell's finished confirm runs, in order of seed."""
    return record.scores_by_cell.get(record.cell(condition, method), {})


def trials_of(record: SweepRecord, stage: str, condition: Condition, method: str) -> pd.DataFrame:
    """Rows of one stage of one cell, in the order they are stored; not to be changed."""
    place = (stage, record.cell(condition, method))
    return record.rows_by_cell.get(place, record.trials.iloc[:0])


def completed(trials: pd.DataFrame, metric_column: str) -> pd.DataFrame:
    """Rows that completed with a finite value of the metric.

    A run that completed on a value that is not finite has diverged: it counts as failed.
    """
    values = trials[metric_column].astype(float)
    return trials[(trials["state"] == "complete") & np.isfinite(values)]


def _check_plan(record: SweepRecord) -> None:
    if record.direction not in ("maximize", "minimize"):
        raise ValueError(f"direction is {record.direction!r}; it is 'maximize' or 'minimize'")
    for name in ("methods", "baselines", "conditions", "confirm_seeds"):
        values = getattr(record, name)
        if len(set(values)) != len(values):
            raise ValueError(f"{name} holds an entry twice: {values}")
    for name in ("methods", "baselines", "conditions"):
        if not getattr(record, name):
            raise ValueError(f"{name} is empty; a comparison needs at least one")
    for name, labels in (
        ("baselines", record.baselines),
        ("planned_trials", tuple(record.planned_trials)),
    ):
        unknown = [label for label in labels if label not in record.methods]
        if unknown:
            raise ValueError(f"{name} names {unknown}, not among the methods {record.methods}")
    if TEACHER in record.methods:
        raise ValueError(f"a method is labelled {TEACHER!r}, which marks rows of the teacher stage")


def _check_columns(trials: pd.DataFrame, expected: tuple[str, ...]) -> None:
    missing = [column for column in expected if column not in trials.columns]
    if missing:
        raise ValueError(f"trials lack the columns {missing}; present are {list(trials.columns)}")


def _check_choices(trials: pd.DataFrame, column: str, choices: tuple[str, ...]) -> None:
    unknown = sorted({str(value) for value in trials[column]} - set(choices))
    if unknown:
        raise ValueError(f"trials hold {column} {unknown}; known are {list(choices)}")


def _check_cells(record: SweepRecord) -> None:
    """Every search and confirm row belongs to a planned cell: none can be lost unnoticed."""
    rows = record.trials[record.trials["stage"] != TEACHER]
    unplanned = sorted({str(cell) for cell in rows["cell"]} - set(record.shown))
    if unplanned:
        raise ValueError(f"trials hold cells that are not in the plan: {', '.join(unplanned)}")
    unknown = {cell for pair in record.declared or () for cell in pair} - set(record.shown)
    if unknown:
        raise ValueError(f"declared names cells that are not in the plan: {sorted(unknown)}")


def _check_confirm_runs(record: SweepRecord) -> None:
    """Confirm runs use planned seeds, and a seed counts once in a cell."""
    runs = record.trials[record.trials["stage"] == "confirm"]
    unplanned = sorted({int(seed) for seed in runs["seed"]} - set(record.confirm_seeds))
    if unplanned:
        raise ValueError(f"confirm runs use seeds {unplanned}, not among {record.confirm_seeds}")
    done = completed(runs, record.test_column)[["cell", "seed"]]
    twice = [tuple(row) for row in done[done.duplicated()].itertuples(index=False)]
    if twice:
        raise ValueError(f"confirm runs completed more than once, by cell and seed: {twice}")

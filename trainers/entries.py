"""The rows of the tables: what a task, a method, a data set, a network, a noise kind, a metric says
of itself. Free of torch, so that a spec can be checked without loading it; what trains is named by
path.
"""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from trainers.costs import Costs, plain
from trainers.fields import Field, FieldError, Limit, Value, checked, resolved

if TYPE_CHECKING:
    from numpy.random import Generator

    from trainers.data.dataset import Dataset
    from trainers.data.inspection import Inspection, SplitRows
    from trainers.data.sources import Published
    from trainers.method import Method
    from trainers.settings import DataSpec, Labels, ModelSpec, SplitFractions
    from trainers.task import Task

Device = Literal["cpu", "cuda"]
Direction = Literal["maximize", "minimize"]
Optimizer = Literal["sgd", "adamw"]
EpochThatCounts = Literal["best", "last"]
ExampleTables = Literal["none", "timelines", "boxes"]
# The shape of one input, without examples.
Shape = tuple[int, ...]

# The fewest and the most teachers that a method reads, by word.
TEACHERS: Mapping[str, tuple[float, float]] = {
    "none": (0, 0),
    "one": (1, 1),
    "several": (2, float("inf")),
    "any": (1, float("inf")),
}
# What a path to code must look like: a module and, after a colon, what is in it.
DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
# Why a batch cannot be trained in parts: of a method, of a network.
WHOLE_BATCHES = "needs whole batches (its row does not say by_example)"
NORMALISES = "normalises over the examples of a batch"
# Who a row is of, unless it says otherwise.
ALMKD = "almkd"


def load(path: str) -> Any:
    """What stands at ``package.module:name``; a name may lead further down by dots."""
    module, _, names = path.partition(":")
    found: Any = importlib.import_module(module)
    for name in names.split("."):
        found = getattr(found, name)
    return found


@dataclass(frozen=True)
class Metric:
    """What is measured on a split. ``unit``: percent, nats, or empty for a pure number.

    ``undefined``: when there is no value; it is then absent, never NaN. ``not_objective``: why it
    must neither select nor prune, as a clause; empty where it may.
    """

    name: str
    meaning: str
    unit: str
    direction: Direction
    undefined: str = ""
    not_objective: str = ""

    @property
    def title(self) -> str:
        """The name as it stands in a sentence."""
        return self.name.replace("_", " ")


@dataclass(frozen=True, kw_only=True)
class MethodEntry:
    """A way to train a student.

    ``teachers``: how many its loss reads: none, exactly one, several (two or more) or any number
    from one on. ``uses_meta``: it learns from the meta split. ``needs_clean_rows``: it knows clean
    examples of the training split from the others, so some of the meta split have to be trained on.
    ``stacks``: its trials train stacked, side by side; where False, in turn. ``by_example``: what
    it loses on an example depends on no other of the batch, so that a batch can be trained in parts
    (`trainers.settings.Training`, ``accumulate``). ``changes_inputs``: it
    shows students other inputs than those that teachers' outputs were kept for, so that teachers
    are asked anew.
    ``teacher_is_student``: its teacher has the student's architecture. ``one_teacher_only``:
    choices, by hyperparameter, that know one teacher alone. ``asks_held_out``: hyperparameters at
    which it asks teachers about the meta split too. ``shifts_bias``: those at which it shifts the
    bias of the student's last layer, which then has to have one; None: it never does. ``limits``:
    where it is a simpler method; a search tries these first. ``problem``: what is wrong with
    hyperparameters, complete and each legal by itself, or None. ``cost``: of a training step of one
    example, in forward passes of the student, from what it depends on and hyperparameters; what
    asks teachers, looks ahead or writes data says so here (`trainers.costs`).

    Of a method that is not almkd's: ``space``: what is searched of its own hyperparameters unless a
    sweep says otherwise, each as a spec has it (``{"low": 0.1, "high": 10.0, "log": True}`` or
    ``{"choices": [...]}``). ``tasks``: those that it serves; none named: every one. ``origin``: who
    it is of. What stands at a path of the user's own needs no ``implementation``.
    """

    what: ClassVar[str] = "hyperparameters"
    implementation: str = ""
    summary: str
    source: str
    teachers: Literal["none", "one", "several", "any"]
    uses_meta: bool = False
    needs_clean_rows: bool = False
    hyperparameters: tuple[Field, ...]
    space: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    origin: str = ALMKD
    stacks: bool = True
    by_example: bool = False
    changes_inputs: bool = False
    teacher_is_student: bool = False
    one_teacher_only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    asks_held_out: tuple[Mapping[str, Value], ...] = ()
    shifts_bias: Mapping[str, Value] | None = None
    limits: tuple[Limit, ...] = ()
    problem: Callable[[Mapping[str, Value]], str | None] = lambda values: None
    cost: Callable[[Costs, Mapping[str, Value]], float] = plain

    @property
    def declared(self) -> tuple[Field, ...]:
        """What it takes."""
        return self.hyperparameters

    def serves(self, task: str) -> bool:
        """Whether a task may have it."""
        return not self.tasks or task in self.tasks

    @property
    def uses_teacher(self) -> bool:
        """Whether its loss reads teachers' outputs."""
        return self.teachers != "none"

    def teacher_problem(self, count: int, values: Mapping[str, Value]) -> str | None:
        """Why the method cannot train with ``count`` teachers and these hyperparameters, or None.

        A method without teachers ignores those that are there.
        """
        fewest, most = TEACHERS[self.teachers]
        if self.uses_teacher and not fewest <= count <= most:
            reads = {"one": "one teacher", "several": "two teachers or more"}
            wanted = reads.get(self.teachers, "at least one teacher")
            return f"reads {wanted}, but there are {count}; give it as many"
        for name, words in self.one_teacher_only.items():
            value = values.get(name, self.hyperparameter(name).default)
            if count > 1 and value in words:
                others = [c for c in self.hyperparameter(name).choices if c not in words]
                return (
                    f"{name}: {value!r} mixes the label with one teacher, but there are {count}; "
                    f"choose {' or '.join(others)}"
                )
        return None

    def problem_with(self, values: Mapping[str, Value]) -> str | None:
        """What is wrong with these hyperparameters, the others at their defaults, or None."""
        return self.problem({h.name: values.get(h.name, h.default) for h in self.hyperparameters})

    def held_out_problem(self, values: Mapping[str, Value]) -> str | None:
        """Why the method cannot train with these hyperparameters where teachers may be asked about
        training examples alone, or None."""
        for at in self.asks_held_out:
            if all(values.get(n, self.hyperparameter(n).default) == v for n, v in at.items()):
                named = ", ".join(f"{name} {value}" for name, value in at.items())
                return (
                    f"asks the teachers about the meta split with {named}, and data.teacher_calls "
                    "has them asked about training examples alone; pin other values, or drop it"
                )
        return None

    def has(self, name: str) -> bool:
        """Whether the method has a hyperparameter of that name."""
        return any(h.name == name for h in self.hyperparameters)

    def hyperparameter(self, name: str) -> Field:
        """The hyperparameter of that name; KeyError if the method has none."""
        return {h.name: h for h in self.hyperparameters}[name]

    def load(self) -> "type[Method]":
        """The class that trains by this method."""
        loaded: type[Method] = load(self.implementation)
        return loaded


@dataclass(frozen=True)
class DatasetEntry:
    """A data set.

    ``load``, ``missing`` (what to fetch and where to put it, if anything), ``shape``, ``counts``
    and ``may_change`` take the options as keywords: those of ``fields``. ``treatment``: options of
    what is done to examples on their way to a student. ``official_test``: whether it has, or can
    have, an official test part. Every data set takes ``examples`` besides: a part of it, where it
    is not an option. ``shape``: that of one input; ``counts``: its examples, and the numbers that a
    teacher gives for one of them; each None where only a file of the user's tells. ``may_change``:
    whether another day it may hold something else under the same options, as files can.
    ``noise_defaults``: what options of the noise are by default here. ``split_column``: whether a
    column of it can name the split of every example; ``load`` then takes its name as ``split``.
    ``origin``: who it is of. ``published``: where it can be fetched.
    """

    what: ClassVar[str] = "options"
    load: "Callable[..., Dataset]"
    summary: str
    source: str
    task: str
    fields: tuple[Field, ...] = ()
    treatment: tuple[Field, ...] = ()
    official_test: bool = False
    missing: Callable[..., str | None] = lambda **options: None
    published: "Published | None" = None
    shape: Callable[..., Shape | None] = lambda **options: None
    counts: Callable[..., tuple[int, int] | None] = lambda **options: None
    may_change: Callable[..., bool] = lambda **options: True
    noise_defaults: Mapping[str, Any] = field(default_factory=dict)
    split_column: bool = False
    origin: str = ALMKD

    @property
    def declared(self) -> tuple[Field, ...]:
        """What it takes."""
        return (*self.fields, *self.treatment)

    def serves(self, task: str) -> bool:
        """Whether a task may have it."""
        return task == self.task


# How often training holds a parameter: itself, velocity, gradient, its flat copy, the best epoch's.
COPIES_OF_PARAMETERS = 5


@dataclass(frozen=True, kw_only=True)
class NetworkEntry:
    """A student or teacher.

    ``fields``: sizes that may or have to be given; ``fixed``: sizes that the name stands for.
    ``together``: devices on which several lanes gain from being computed side by side; elsewhere
    they train in turn. ``last_layer``: it ends in a linear map of features that it shows.
    ``implied``: sizes that follow from others where they are not given; ``problem``: what is wrong
    with sizes, or None; ``shape_problem``: why it cannot take inputs of a shape, or None;
    ``data_problem``: why it cannot train on a data set that was loaded, or None.
    ``lane_bytes``: about what a training step of one lane touches, from sizes, batch size (0: the
    parameters' copies alone) and the shape of an input; None where that is not known.
    ``cpu_bytes``: what a step of all lanes may touch on a CPU, where that was measured and is not
    `trainers.loop.cohort_size.CPU_BYTES`. ``batch_norm``: whether it normalises over batches, by
    sizes; ``learns``: whether there is something in it to train, without which it can teach alone;
    ``reads_targets``: whether it is shown what it has to tell, so that it can teach alone, too.
    ``work``: about how many multiply-adds a forward pass of one example takes, from complete sizes
    and the shape of an input; None where that is not known.
    ``bytes_of_data``: about what a student's files hold beside that, from sizes and options of the
    data set: vectors of words, say. ``tasks``, ``origin``: as of a method.
    """

    what: ClassVar[str] = "sizes"
    implementation: str = ""
    summary: str
    source: str
    together: tuple[Device, ...] = ()
    last_layer: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    implied: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda sizes: {}
    problem: Callable[[Mapping[str, Any]], str | None] = lambda sizes: None
    shape_problem: Callable[[str, Shape], str | None] = lambda name, shape: None
    data_problem: "Callable[[Mapping[str, Any], Dataset], str | None]" = lambda sizes, dataset: None
    lane_bytes: "Callable[[ModelSpec, int, Shape], int] | None" = None
    work: "Callable[[ModelSpec, Shape], int] | None" = None
    bytes_of_data: Callable[[Mapping[str, Any], Mapping[str, Any]], int] = lambda sizes, options: 0
    cpu_bytes: int | None = None
    batch_norm: Callable[[Mapping[str, Any]], bool] = lambda sizes: False
    learns: Callable[[Mapping[str, Any]], bool] = lambda sizes: True
    reads_targets: bool = False
    tasks: tuple[str, ...] = ()
    origin: str = ALMKD

    @property
    def declared(self) -> tuple[Field, ...]:
        """What it takes."""
        return self.fields

    def serves(self, task: str) -> bool:
        """Whether a task may have it."""
        return not self.tasks or task in self.tasks

    @property
    def every_field(self) -> tuple[Field, ...]:
        """What may be given: the fields, and sizes that the name stands for already."""
        fixed = [
            Field(name, "int", size, "what the name stands for", self.source)
            for name, size in self.fixed.items()
        ]
        return (*self.fields, *fixed)

    def complete(self, spec: "ModelSpec") -> "ModelSpec":
        """``spec`` with every size, and where the code is; FieldError where it cannot be."""
        for name, size in spec.sizes.items():
            if name in self.fixed and size != self.fixed[name]:
                raise FieldError(name, f"{spec.name} has {name} {self.fixed[name]}; drop {name}")
        given = {name: size for name, size in spec.sizes.items() if name not in self.fixed}
        sizes = resolved(self.fields, checked(self.fields, given, spec.name))
        whole = {**self.implied(sizes), **sizes, **self.fixed}
        if problem := self.problem(whole):
            raise ValueError(f"{spec.name}: {problem}")
        return replace(spec, sizes=whole, implementation=self.implementation)


# What others than almkd may add to a task's tables.
Row = MethodEntry | DatasetEntry | NetworkEntry


@dataclass(frozen=True)
class SourceEntry:
    """A simple set of examples that a light teacher is trained on in place of the data.

    ``make`` takes how many classes the data set has, a draw, and the options of ``fields``, and
    gives a data set with equally many examples of every class, class by class. ``shape``: that of
    one input, from the data set that students learn and the options as given.
    """

    make: "Callable[..., Dataset]"
    summary: str
    source: str
    fields: tuple[Field, ...]
    shape: "Callable[[Dataset, Mapping[str, Any]], Shape]"


@dataclass(frozen=True)
class NoiseEntry:
    """A way in which labels are corrupted. ``corrupt`` takes what its task knows of the examples,
    the rate and the draw; ``fields``: what it is told beside its rate; ``problem``: what is wrong
    with
    that, or None."""

    corrupt: Callable[..., Any]
    summary: str
    source: str
    fields: tuple[Field, ...] = ()
    problem: Callable[[Mapping[str, Any]], str | None] = lambda options: None


@dataclass(frozen=True)
class OracleMetrics:
    """By which metrics an Oracle, a teacher that reads targets (`NetworkEntry.reads_targets`), is
    judged, by name.

    ``hidden``: with all targets hidden from it; ``shown``: with its targets shown; ``swapped``:
    with its targets and the input of another example; ``beside``: others, with its targets shown.
    Of other teachers ``hidden`` and ``beside`` are measured as they are. ``copies_below``: an
    Oracle with less than that of ``swapped``, which is an error, copies its targets.
    """

    hidden: str
    shown: str
    swapped: str
    copies_below: float
    beside: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return self.hidden, self.shown, self.swapped, *self.beside


@dataclass(frozen=True)
class TaskEntry:
    """A kind of problem: what it brings, and what holds for it unless a spec says otherwise.

    ``implementation``: its `trainers.task.Task` by path. ``example``: what a weight belongs to, and
    over which no loss is reduced. ``every_epoch``: metrics that are measured after every epoch,
    beside the objective; the others once, at the epoch that counts (``selection``). ``compared``:
    what is tested; empty for the objective. ``against``: two metrics that are drawn against each
    other, what is gained on one and lost on the other; None where there are none. ``oracles``: what
    is told of teachers that read targets, among ``every_epoch``; None where none does.
    ``teacher_outputs``: what is kept of a teacher.
    ``kept_of``: the splits of students of whose examples they are kept; none named: of every
    example of the data set. ``predicted_numbers``: how many are kept of a prediction, from the
    shape of an input; by default as many as a teacher gives for an example.
    ``outputs_from_files``: whether a teacher may be given as a file of them.
    ``terms_read_features``: whether some term depends on more than the logits. ``usable``: why a
    condition's labels cannot be had on a data set that was loaded, or None. ``inspect``: what a
    look at a data set and the rows of its splits shows, beside what can be said of any; None where
    that is all. ``takes_splits``: whether its data is split as a data set's ``given_splits`` says,
    where there are any, and as the fold of a lane's source does. ``takes_calls``: whether its data
    withholds teachers' outputs as `trainers.settings.TeacherCalls` says. ``models``: networks
    trained before that can be fetched, by the names that options of data sets take for them.
    ``teacher_sources``: what a light teacher may be trained on; none where the task has none.
    ``teachers_go_along``: whether students are handed the teachers themselves beside what is kept
    of them, to ask what nobody knew before.
    ``streams``: whether its classes come one task after the other (`trainers.settings.Stream`), and
    its teacher is the student before. ``example_tables``: what runs keep tables of that are drawn,
    of a few examples: what is said when, as `trainers.ctc.data.timelines` has it, or which boxes
    are found, as `trainers.detection.data.shown` does. ``split_rows``: how rows of a data set are
    dealt to splits by a draw; None for as `trainers.data.splits` does.
    """

    name: str
    implementation: str
    summary: str
    example: str
    methods: Mapping[str, MethodEntry]
    datasets: Mapping[str, DatasetEntry]
    networks: Mapping[str, NetworkEntry]
    noise_kinds: Mapping[str, NoiseEntry]
    metrics: Mapping[str, Metric]
    every_epoch: tuple[str, ...]
    objective: str
    teacher_outputs: str
    prediction: str
    export: str
    compared: str = ""
    against: tuple[str, str] | None = None
    oracles: OracleMetrics | None = None
    kept_of: tuple[str, ...] = ()
    predicted_numbers: Callable[[Shape], int] | None = None
    outputs_from_files: bool = False
    terms_read_features: bool = False
    selection: EpochThatCounts = "best"
    optimizer: Optimizer = "sgd"
    usable: "Callable[[Dataset, DataSpec, Labels], str | None]" = lambda dataset, spec, labels: None
    inspect: "Callable[[Dataset, SplitRows], Inspection] | None" = None
    takes_splits: bool = False
    takes_calls: bool = False
    models: "Mapping[str, Published]" = field(default_factory=dict)
    teacher_sources: Mapping[str, SourceEntry] = field(default_factory=dict)
    teachers_go_along: bool = False
    streams: bool = False
    example_tables: ExampleTables = "none"
    split_rows: "Callable[[Dataset, SplitFractions, Generator], SplitRows] | None" = None

    def load(self) -> "Task":
        """The task's own code, torch and all."""
        loaded: Task = load(self.implementation)()
        return loaded

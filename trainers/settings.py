"""What a cohort is told: plain values, free of torch, so that a sweep can be planned without it.

M teachers of a lane.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from trainers.fields import Value

# What a data set can be told.
Option = float | int | str
Schedule = Literal["cosine", "linear", "constant", "steps"]
# What becomes of the clean labels of the meta split beside being held out for methods that learn
# from it: nothing; all of them are trained on too; one half is trained on, the other held out.
CleanUse = Literal["withhold", "train", "split"]
# What becomes of training examples that teachers may not be asked about: they are left out, or
# trained on by their labels alone.
Unasked = Literal["drop", "label"]


@dataclass(frozen=True)
class ModelSpec:
    """A network by name and the sizes that it is given, e.g. ``ModelSpec("mlp", {"hidden":
    (16,)})``.

    Which network takes which, and what the others are then, says its row in `trainers.registry`;
    completed by it (`NetworkEntry.complete`), it also says where the code is.
    """

    name: str
    sizes: Mapping[str, Any] = field(default_factory=dict)
    implementation: str = field(default="", compare=False)


@dataclass(frozen=True)
class SourceSpec:
    """What a light teacher is trained on in place of the data, by name, with its options.

    Which source takes which, and what the others are then, says its row in the task's table.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


# What a teacher normalises by: what it is after its training, the batch that it is asked about, or
# running statistics that go on moving.
BatchNorm = Literal["frozen", "batch", "running"]

# The files of a student in a directory of its own (`trainers.student_files`).
WEIGHTS_FILE, DESCRIPTION_FILE = "student.safetensors", "student.json"


# Of a teacher that is known by its outputs alone.
NO_NETWORK = ModelSpec("")


@dataclass(frozen=True)
class Training:
    """The settings that all lanes of a cohort share.

    ``epochs``, ``batch_size``: counts. ``phases``: how often so many epochs are trained, one phase
    after the other, each with a schedule, a warm-up and an optimizer of its own; where examples
    come task by task, a task is one. ``steps``: how many an epoch has; None: as many as the
    training split has batches. ``momentum``, ``nesterov``: of SGD; ``beta1``, ``beta2``,
    ``epsilon``: of AdamW.
    ``schedule``: the learning rate falls along half a cosine or a line to nothing, stays, or
    (``steps``) is multiplied by ``factor`` after each of the epochs ``milestones``; it changes from
    epoch to epoch. ``warmup_steps``: over so many steps it rises in a line to what the schedule
    says. ``clip_norm``: the length that a lane's gradient is cut to, None for none.
    ``evaluate_every``: epochs from one evaluation to the next; the last epoch is always evaluated.
    ``accumulate``: in so many parts, one after the other, a batch is computed, whose gradients add
    up to that of the whole; None: at once.
    """

    epochs: int
    batch_size: int
    momentum: float = 0.9
    nesterov: bool = True
    schedule: Schedule = "cosine"
    milestones: tuple[int, ...] = ()
    factor: float = 0.1
    steps: int | None = None
    optimizer: Literal["sgd", "adamw"] = "sgd"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    warmup_steps: int = 0
    clip_norm: float | None = None
    evaluate_every: int = 1
    phases: int = 1
    accumulate: int | None = None

    @property
    def all_epochs(self) -> int:
        """Those of all phases."""
        return self.epochs * self.phases

    def place(self, epoch: int) -> tuple[int, int]:
        """Where ``epoch`` (from 1, over all phases) is: its phase, from 0, and which it is there,
        from 1."""
        phase, before = divmod(epoch - 1, self.epochs)
        return phase, before + 1

    def lr_factor(self, epoch: int) -> float:
        """What the first learning rate is multiplied by in ``epoch`` (from 1) of a phase, warm-up
        aside."""
        if self.schedule == "constant":
            return 1.0
        if self.schedule == "steps":
            return self.factor ** sum(epoch > milestone for milestone in self.milestones)
        if self.schedule == "linear":
            return 1 - (epoch - 1) / self.epochs
        return 0.5 * (1 + math.cos(math.pi * (epoch - 1) / self.epochs))

    def warmup_factor(self, step: int) -> float:
        """What the rate of ``step`` (from 1, over all epochs of a phase) is multiplied by
        besides."""
        return min(1.0, step / self.warmup_steps) if self.warmup_steps else 1.0

    def evaluates(self, epoch: int) -> bool:
        """Whether the validation split is evaluated after ``epoch``, counted over all phases."""
        _, here = self.place(epoch)
        return here % self.evaluate_every == 0 or here == self.epochs


@dataclass(frozen=True)
class Selection:
    """Which epoch counts: the first with the best value of a validation metric, or the last."""

    metric: str
    maximize: bool
    epoch: Literal["best", "last"] = "best"

    def sign(self) -> float:
        return 1.0 if self.maximize else -1.0


@dataclass(frozen=True)
class Labels:
    """How the labels of a training split came to be; the rate is a share in [0, 1]."""

    noise_kind: str
    noise_rate: float


@dataclass(frozen=True)
class Fold:
    """A part of a cross-validation: the ``number``-th, from 0, of ``folds`` into which ``seed``
    deals the examples, is the test split."""

    number: int
    folds: int
    seed: int


@dataclass(frozen=True)
class LaneSource:
    """What one lane trains on: the seed of its split and noise, and its teachers' outputs.

    ``teachers``: M names into the cohort's mapping of teachers' outputs; may be empty. ``clean``:
    what is done with the meta split, whose labels are true; lanes of one cohort agree on it.
    ``fold``: which examples are tested, where not the seed alone says so. ``is_teacher``: whether
    what trains is a teacher, which learns from the split of teachers too. ``start``: a name into
    the cohort's mapping of weights, of those that it starts from; empty where they are drawn.
    """

    seed: int
    labels: Labels
    teachers: tuple[str, ...] = ()
    clean: CleanUse = "withhold"
    fold: Fold | None = None
    is_teacher: bool = False
    start: str = ""


@dataclass(frozen=True)
class Lane:
    """One trial as the training loop sees it; the seed is that of first weights and batches."""

    name: str
    seed: int
    hyperparameters: Mapping[str, Value]


@dataclass(frozen=True)
class CohortSpec:
    """A task, a method of it, a network and the settings its lanes share."""

    method: str
    model: ModelSpec
    training: Training
    selection: Selection
    task: str = "classification"


SPLITS = ("train", "meta", "validation", "test")
# Those that teachers alone are trained on, where there are any.
TEACHER_SPLIT = "teacher"


@dataclass(frozen=True)
class SplitSource:
    """What says of every example which split it is in: a ``file``, or a ``column`` of the table."""

    file: str = ""
    column: str = ""

    def __str__(self) -> str:
        return self.file or f"the column {self.column}"


@dataclass(frozen=True)
class SplitFractions:
    """The share of all examples in each split; together at most 1.

    ``test`` None: the test split is the official test part of the data set, all of it, and the
    shares are those of the other examples. ``clean``: how much of the meta split there is, as a
    share like the others, its first examples; None for all of it. The other splits stay the same.
    ``given``: by what examples are split instead, under every seed; the shares are then 0.
    ``folds``: how many test splits of a cross-validation there are, beside those that are drawn.
    ``teacher``: the share of those that teachers are trained on beside ``train``, and nobody else.
    """

    train: float
    meta: float
    validation: float
    test: float | None
    clean: float | None = None
    given: SplitSource | None = None
    folds: int | None = None
    teacher: float | None = None

    def drawn(self) -> Mapping[str, float]:
        """The splits that are drawn, with their shares."""
        shares = {name: getattr(self, name) for name in (*SPLITS, TEACHER_SPLIT)}
        return {name: float(share) for name, share in shares.items() if share is not None}


@dataclass(frozen=True)
class Stream:
    """How the classes of a data set come one task after the other: ``tasks`` of them, ``first``
    classes in the first (None: as many as in the others), in the order that a ``seed`` draws or
    that the data gives. ``joint``: every task shows the examples of those before it, too.
    ``batch_norm``: what the teacher, the student before, normalises by
    (`trainers.incremental.past`)."""

    tasks: int = 5
    first: int | None = None
    order: Literal["seed", "given"] = "seed"
    joint: bool = False
    batch_norm: BatchNorm = "frozen"

    def sizes(self, classes: int) -> tuple[int, ...]:
        """How many classes each task has, the larger ones first; ValueError where there are too
        few for one each."""
        first, tasks = self.first, self.tasks
        if first is not None and tasks == 1 and first != classes:
            raise ValueError(f"the only task has all {classes} classes, not {first}")
        rest, others = (classes, tasks) if first is None else (classes - first, tasks - 1)
        if others and rest < others:
            raise ValueError(f"{classes} classes are too few for {tasks} tasks")
        equal = [rest // others + (i < rest % others) for i in range(others)] if others else []
        return (*(() if first is None else (first,)), *equal)


@dataclass(frozen=True)
class NoiseSpec:
    """Where label noise falls, and what the noise kinds are told beside kind and rate."""

    splits: tuple[str, ...] = ("train",)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TeacherCalls:
    """About which examples students may ask their teachers: a ``share`` in (0, 1] of the training
    split, and none of any other; ``unasked``: what becomes of the rest of it."""

    share: float
    unasked: Unasked = "drop"


@dataclass(frozen=True)
class DataSpec:
    """A data set of a task, by name, with its options as given, the share of each split, the
    noise, how often teachers may be asked (``calls`` None: about every example), and how its
    classes come, where they do not come at once."""

    dataset: str
    fractions: SplitFractions
    options: Mapping[str, Option] = field(default_factory=dict)
    noise: NoiseSpec = NoiseSpec()
    task: str = "classification"
    calls: TeacherCalls | None = None
    stream: Stream | None = None

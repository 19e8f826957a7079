"""What a task brings to training: the examples of lanes, what is lost on them, networks, metrics.

L lanes, B examples of a batch, N of the training split, M teachers, K = 1 + M terms of an example
(the label's first), T rows of an example (the places where the last layer is applied), C outputs of
a row.

Everything that mixes terms is written once, in `trainers.mixing`, and knows nothing but what stands
here. A task writes `Task`, `TaskData` and `Terms`; where it has closed forms of the gradients it
may override `TaskData.term_gradients`, `TaskData.terms_along` and `TaskData.held_out`. Where the
terms of an example are sums over its rows, `Terms.label_rows`, `Terms.teacher_rows` and
`TaskData.rows_there` give what `trainers.mixing.alm_kd.by_row` reads besides.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from trainers.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.data.raw_inputs import RawInputs, read_arrays
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.state import State
from trainers.lanes.values import LaneValues
from trainers.settings import DataSpec, LaneSource, ModelSpec, SourceSpec

# What is kept of one teacher: arrays by name.
KeptOutputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class GivenTeacher:
    """A teacher that a user brings and nobody trains, in one of two forms: the ``weights`` of its
    network, parameters and buffers by the names they have without lanes, or its ``outputs``."""

    weights: Mapping[str, NDArray[Any]] | None = None
    outputs: KeptOutputs | None = None


# What held-out examples should be met by: their labels, labels mixed with the last teacher, the
# last teacher.
Goal = Literal["labels", "mixed", "teacher"]
# The share of the last teacher in the goal ``mixed``, at temperature 1; the rest is the label's.
TEACHERS_SHARE = 0.8


class Batch(NamedTuple):
    """Examples of one split: ``places`` in it (L, B), what a student is shown of them (``inputs``)
    and what terms read beside the student's output (``targets``), both as their task has them.

    ``changed``: the inputs are not those that teachers' outputs were kept for.
    """

    places: Tensor
    inputs: Any
    targets: Any
    changed: bool = False


class Terms(ABC):
    """The K losses of every example of a batch at a student's output, computed when asked for.

    `label` and `teachers` are computed once, with the graph that leads to the output also where
    they are first read without one.
    """

    @abstractmethod
    def of_label(self) -> Tensor:
        """Compute the label's, (L, B)."""

    @abstractmethod
    def of_teachers(self) -> Tensor:
        """Compute the teachers', (L, M, B)."""

    @cached_property
    def label(self) -> Tensor:
        """The label's, (L, B)."""
        return _with_graph(self.of_label)

    @cached_property
    def teachers(self) -> Tensor:
        """The teachers', (L, M, B)."""
        return _with_graph(self.of_teachers)

    @property
    @abstractmethod
    def label_at_teachers(self) -> Tensor:
        """The label's loss at each teacher's output, (L, M, B); no gradient."""

    @property
    @abstractmethod
    def uninformed(self) -> float | Tensor:
        """The label's loss of a guess that knows nothing of the example: one for all, or (L, B)."""

    def teacher(self, m: int) -> Tensor:
        """That of teacher ``m`` (from 0), (L, B)."""
        return self.teachers[:, m]

    def first(self, count: int) -> Tensor:
        """The first ``count`` of them, the label's before the teachers': ``(L, count, B)``."""
        return torch.stack([self.label, *(self.teacher(m) for m in range(count - 1))], dim=1)

    @property
    def label_rows(self) -> Tensor:
        """Each row's share of the label's term, (L, B, T): the sum over rows is the term, so that
        a share carries the example's mean over its rows; it depends on no other row of the output,
        and is 0 for rows that are not there. NotImplementedError where terms have no rows."""
        raise NotImplementedError(f"{type(self).__name__} has no terms of rows")

    def teacher_rows(self, m: int) -> Tensor:
        """The same of teacher ``m`` (from 0), (L, B, T)."""
        raise NotImplementedError(f"{type(self).__name__} has no terms of rows")

    def first_rows(self, count: int) -> Tensor:
        """The shares of the first ``count`` terms: ``(L, count, B, T)``."""
        teachers = [self.teacher_rows(m) for m in range(count - 1)]
        return torch.stack([self.label_rows, *teachers], dim=1)


class Part(NamedTuple):
    """Some held-out examples: their split, what terms read of them, what they should be met by, and
    how much each weighs, (L, V)."""

    split: str
    targets: Any
    goal: Goal
    weight: Tensor


class Objective(Protocol):
    """A loss of the outputs for some held-out examples, R rows of them."""

    def loss(self, output: Output) -> Tensor:
        """At an output for all parts, one after the other along the examples: ``(L,)``."""
        ...

    def gradient(self, z: Tensor) -> Tensor:
        """By the logits, rows last: ``(L, C, R) -> (L, C, R)``."""
        ...


class Phase(NamedTuple):
    """Where a phase begins: its ``number`` from 0, the ``student`` as it stands, what makes one
    from random weights of that phase (``fresh``), whether the method hears teachers (``taught``),
    and the hyperparameters of every lane (``values``)."""

    number: int
    student: LaneNetwork
    fresh: Callable[[], LaneNetwork]
    taught: bool
    values: LaneValues


class Teachers(Protocol):
    """Teachers that can be asked about what a method shows; no gradient leads to them."""

    def outputs(self, inputs: Any) -> Sequence[Output]:
        """What the M teachers of every lane make of inputs."""
        ...

    def outputs_of(self, lane: int, inputs: Any) -> Sequence[Output]:
        """What those of one lane make of inputs with that lane alone."""
        ...

    def network(self, m: int) -> LaneNetwork:
        """Teacher ``m`` (from 0) of every lane; ValueError where they are not one network."""
        ...


class TaskData(ABC):
    """The examples of every lane of a cohort, on one device.

    ``corrupted`` (L, N): which training examples have a wrong label. ``certain``: how many of them,
    the last ones, came from the clean meta split. ``asked`` (L, N): about which of them teachers
    may be asked, as many in every lane; None: about all. ``limits_calls``: whether they may be
    asked about some training examples alone, and about no other example. ``corrupted_rows``
    (L, N, T): which of their rows have a wrong label; None: all of an example that is corrupted.
    ``has_rows``: whether outputs have a dimension of rows, which then may be 1. ``penalises``:
    whether weight_decay is that of `penalty`, which every method's losses have besides, and none of
    the optimizer.
    """

    corrupted: Tensor
    corrupted_rows: Tensor | None = None
    certain: int = 0
    asked: Tensor | None = None
    limits_calls: bool = False
    has_rows: bool = False
    penalises: bool = False

    @property
    @abstractmethod
    def lanes(self) -> int:
        """How many lanes are left."""

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where the examples are."""

    @property
    @abstractmethod
    def teachers(self) -> int:
        """How many teachers each lane has, M."""

    @property
    def asked_anew(self) -> int:
        """How many of them look at inputs, and are asked anew where these are changed; here all."""
        return self.teachers

    @property
    def heard(self) -> int:
        """The most teachers that each lane has in some phase of training."""
        return self.teachers

    def ask(self, teachers: Teachers | None) -> None:
        """What is to be asked of teachers once, before training: called with them where they go
        along. Here nothing."""

    def begin_phase(self, phase: Phase) -> None:
        """What is trained on from now on: called before the first epoch of each phase. Only data
        that comes in phases changes."""

    @property
    def changes_inputs(self) -> bool:
        """Whether training batches hold inputs that teachers' outputs were not kept for."""
        return False

    @abstractmethod
    def size(self, split: str) -> int:
        """How many examples a lane has in ``split``."""

    @abstractmethod
    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Any:
        """What a student is shown of the examples at places ``index`` (L, B) of ``split``.

        ``lanes`` (L,): the lane of every row of ``index``; by default all, in their order.
        """

    @abstractmethod
    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Any:
        """What terms read of them."""

    def batch(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Batch:
        """The examples at places ``index`` (L, B) of ``split``, as they are."""
        return Batch(
            index, self.inputs_of(split, index, lanes), self.targets_of(split, index, lanes)
        )

    def training_batch(self, index: Tensor) -> Batch:
        """The training examples at places ``index`` (L, B) as a step of training sees them."""
        return self.batch("train", index)

    @property
    def learned_places(self) -> Tensor:
        """The places (L, n) of training examples whose weights can be learned: teachers may be
        asked about them, and their labels are not certain."""
        if self.asked is not None:
            return self.asked.nonzero()[:, 1].view(self.lanes, -1)
        learned = torch.arange(self.size("train") - self.certain, device=self.device)
        return learned.expand(self.lanes, -1)

    def first(self, batch: Batch, count: int) -> Batch:
        """The first examples of a batch of the training split; of their targets what is kept."""
        places = batch.places[:, :count]
        inputs = tree_map(lambda t: t[:, :count], batch.inputs)
        return Batch(places, inputs, self.targets_of("train", places), batch.changed)

    def part(self, batch: Batch, at: slice) -> Batch:
        """Some examples of a batch, where it is trained in parts."""
        inputs = tree_map(lambda t: t[:, at], batch.inputs)
        return Batch(
            batch.places[:, at], inputs, self.targets_part(batch.targets, at), batch.changed
        )

    def targets_part(self, targets: Any, at: slice) -> Any:
        """What terms read of some examples of a batch."""
        raise NotImplementedError(
            f"{type(self).__name__} has no batches in parts; drop training.accumulate"
        )

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        """``batch`` with these outputs of the teachers that are `asked` in place of those that were
        kept."""
        raise NotImplementedError(f"{type(self).__name__} changes no inputs")

    def rows_there(self, targets: Any) -> Tensor:
        """Which rows some examples have, (L, B, T) bool, at least one each; T may differ from that
        of an output, where what is past the end of either is not there. NotImplementedError where
        terms have no rows."""
        raise NotImplementedError(f"{type(self).__name__} has no terms of rows")

    @abstractmethod
    def terms(self, targets: Any, output: Output, values: LaneValues) -> Terms:
        """The terms of some examples at a student's output."""

    def penalty(self, student: LaneNetwork, inputs: Any) -> Tensor:
        """What weight_decay is multiplied by in the loss of each example, (L, B), with the graph
        that leads to the student."""
        raise NotImplementedError(f"{type(self).__name__} leaves weight_decay to the optimizer")

    def term_gradients(self, targets: Any, output: Output, values: LaneValues) -> Output:
        """r: the gradient of every term by its example's output, ``(L, B, K[, T], C or H)``.

        Each carries its example's own mean over rows. That by the features, which are taken for
        free of the logits, is None where no term reads them. Here by autograd.
        """
        leaves = output.each(lambda t: t.detach().requires_grad_())
        tensors = [t for t in leaves if t is not None]
        with torch.enable_grad():
            terms = self.terms(targets, leaves, values).first(1 + self.teachers)
            each = [
                torch.autograd.grad(
                    terms[:, k].sum(), tensors, retain_graph=True, allow_unused=True
                )
                for k in range(terms.shape[1])
            ]
        *features, logits = (_stacked(of_tensor) for of_tensor in zip(*each, strict=True))
        assert logits is not None
        return Output(features[0] if features else None, logits)

    def terms_along(
        self, targets: Any, output: Output, tangent: Output, values: LaneValues, count: int
    ) -> Tensor:
        """How fast the first ``count`` terms change as the output moves along ``tangent``:
        ``(L, count, B)``. Here r by the tangent."""
        r = self.term_gradients(targets, output, values)
        parts = [
            # (L, B, K, ...) by (L, B, 1, ...), over all that an example shows.
            (of_terms[:, :, :count] * t.unsqueeze(2)).flatten(3).sum(3)
            for of_terms, t in zip(r, tangent, strict=True)
            if of_terms is not None and t is not None
        ]
        return torch.stack(parts).sum(0).mT

    def row_terms_along(
        self, targets: Any, output: Output, tangent: Output, values: LaneValues, count: int
    ) -> Tensor:
        """The same of each row's share of them, as `Terms.label_rows` has it: (L, count, B, T)."""
        r = self.term_gradients(targets, output, values)
        parts = [
            # (L, B, K, T, ...) by (L, B, 1, T, ...), over what a row shows.
            (of_terms[:, :, :count] * t.unsqueeze(2)).sum(-1)
            for of_terms, t in zip(r, tangent, strict=True)
            if of_terms is not None and t is not None
        ]
        return torch.stack(parts).sum(0).transpose(1, 2)

    def held_out(self, parts: Sequence[Part], values: LaneValues) -> Objective:
        """The loss that ``parts`` ask for, a sum of terms; here by autograd."""
        return SumOfTerms(self, tuple(parts), values)

    @abstractmethod
    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        """The loss on a split, ``loss`` (L,), and these metrics; NaN where a lane has none."""

    def evaluate_outputs(
        self, outputs: KeptOutputs, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        """As `evaluate`, of a teacher that is known by what is kept of it alone; the same for every
        lane. Only where the task's row says ``outputs_from_files``."""
        raise NotImplementedError(f"{type(self).__name__} evaluates networks alone")

    def tally(self, targets: Any, output: Output) -> Mapping[str, Tensor]:
        """Sums (L,) over the examples of a training batch, for metrics that cost nothing."""
        return {}

    @abstractmethod
    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        """What one lane knows of its training examples: ``row``, ``corrupted`` and the like."""

    @abstractmethod
    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        """Of each lane what it says of a split's examples: ``row``, what is true of each, and what
        the task calls a prediction; arrays with an example per row."""

    def tables(self, student: LaneNetwork, split: str) -> list[dict[str, Mapping[str, Any]]]:
        """Of each lane further tables of what it shows on a split, by name: columns by name."""
        return [{} for _ in range(self.lanes)]

    def draws(self) -> dict[str, Any]:
        """What training has changed of it, as how far every lane is in what it draws to change
        inputs: a state of lanes."""
        return {}

    def go_on(self, draws: State) -> None:
        """Go on from there."""

    @abstractmethod
    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""


class StudentModule(nn.Module, ABC):
    """A student without lanes that takes raw inputs, preprocessing included.

    ``network``: what was trained, whose parameters and buffers are all that is kept of it.
    ``shape``: of one raw input; ``input_dtype``: of its numbers in what is exported (here any
    other may do as well); ``columns``: what they are called, where an input is a row of a table
    whose columns have names. ``takes_texts``: whether raw inputs are made of texts, by `encode`.
    ``files``: by name what is needed to make raw inputs and is no tensor code, such as a tokenizer.
    ``example_text``: one that can be encoded; ``requirement``: what to install to use it.
    """

    network: nn.Module
    shape: tuple[int, ...]
    input_dtype: torch.dtype = torch.float32
    columns: tuple[str, ...] | None = None
    takes_texts: bool = False
    files: Mapping[str, str] = MappingProxyType({})
    example_text: str = "a text"
    requirement: str = "almkd"

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Raw inputs ``(B, *shape)`` of texts, where the student takes those."""
        raise NotImplementedError(f"{type(self).__name__} takes no texts")

    @abstractmethod
    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        """What is told of a batch of outputs: a column of a table each, with an example per row."""


class Task(ABC):
    """A kind of problem in training; `trainers.entries.TaskEntry` says the rest of it."""

    @abstractmethod
    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> TaskData:
        """The examples of lanes; ``outputs``: what is kept of every teacher that some lane
        names."""

    def light_data(
        self,
        source: SourceSpec,
        dataset: Dataset,
        sources: Sequence[LaneSource],
        device: torch.device,
    ) -> TaskData:
        """The examples of lanes that train light teachers for ``dataset``, all of one seed, which
        says how the set is made up. Only where the task's row has ``teacher_sources``."""
        raise NotImplementedError(f"{type(self).__name__} has no sources for light teachers")

    @abstractmethod
    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        """A network over ``len(generators)`` lanes, each started from its own generator.

        ``model``: with all sizes that its row declares. ValueError where it cannot take such
        examples.
        """

    @abstractmethod
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        """What is kept of every lane of a teacher, so that students need not ask it again."""

    def outputs_of_file(self, file: Path, dataset: Dataset) -> KeptOutputs:
        """What is kept of a teacher, from a file of its outputs for examples of ``dataset``: arrays
        with an example per row, however many there are. Only where the task's row says
        ``outputs_from_files``; DataError, with the remedy, where they cannot be used."""
        raise NotImplementedError(f"{type(self).__name__} reads no outputs from files")

    @abstractmethod
    def facts(self, dataset: Dataset) -> dict[str, Any]:
        """What `student` is told of the examples, as plain values: shapes, names, preprocessing."""

    @abstractmethod
    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> StudentModule:
        """A student by itself, without lanes, that takes raw inputs; its weights are arbitrary.

        ValueError where it cannot be made of these.
        """

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        """The raw inputs at ``path``, for the student of these facts; here arrays.

        ``options``: how the file is written, by the names that ``data`` of a spec has. DataError
        where it does not fit.
        """
        for name in options:
            raise DataError(f"data.{name}: is no option of arrays; leave it out")
        return read_arrays(path, facts["shape"])


def _with_graph(compute: Callable[[], Tensor]) -> Tensor:
    """What it computes, with the graph that leads there whatever is switched off around."""
    if torch.is_grad_enabled():
        return compute()
    with torch.enable_grad():
        return compute()


def _stacked(gradients: tuple[Tensor | None, ...]) -> Tensor | None:
    """The gradients of K terms, (L, B, ...) each, as (L, B, K, ...); None where no term has one."""
    some = next((g for g in gradients if g is not None), None)
    if some is None:
        return None
    return torch.stack([torch.zeros_like(some) if g is None else g for g in gradients], dim=2)


@dataclass(frozen=True)
class SumOfTerms:
    """The objective of held-out parts by autograd: sum over their examples of weight times loss.

    ``labels``: the label's term. ``mixed``: 0.2 of it and 0.8 of the last teacher's at temperature
    1. ``teacher``: the last teacher's at the lane's temperature on held-out examples, the label's
    on the training group's own.
    """

    data: TaskData
    parts: tuple[Part, ...]
    values: LaneValues

    def loss(self, output: Output) -> Tensor:
        losses, start = [], 0
        for part in self.parts:
            stop = start + part.weight.shape[1]
            own = output.each(lambda t, start=start, stop=stop: t[:, start:stop])  # type: ignore[misc]
            losses.append((part.weight * self._of(part, own)).sum(1))
            start = stop
        return torch.stack(losses).sum(0)

    def gradient(self, z: Tensor) -> Tensor:
        lanes, classes, rows = z.shape
        examples = sum(part.weight.shape[1] for part in self.parts)
        several = rows != examples or self.data.has_rows
        own_rows = (rows // examples,) if several else ()
        shape = (lanes, examples, *own_rows, classes)
        leaf = z.mT.reshape(shape).detach().requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(self.loss(Output(None, leaf)).sum(), leaf)
        return gradient.reshape(lanes, rows, classes).mT

    def _of(self, part: Part, output: Output) -> Tensor:
        """The loss of each example of a part, (L, V)."""
        if part.goal == "labels" or (part.goal == "teacher" and part.split == "train"):
            return self.data.terms(part.targets, output, self.values).label
        if part.goal == "teacher":
            return self.data.terms(part.targets, output, self.values).teacher(-1)
        terms = self.data.terms(part.targets, output, self.values.at_temperature(1.0))
        return (1 - TEACHERS_SHARE) * terms.label + TEACHERS_SHARE * terms.teacher(-1)

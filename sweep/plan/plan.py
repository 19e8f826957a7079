"""From a spec to what would run: cells, teachers, seeds, budgets. Pure, and free of torch."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from search_spaces.domains import Domain
from sweep.errors import BadInput
from sweep.plan.compute import Allotted, allotted
from sweep.plan.content import Fingerprints
from sweep.plan.lanes import generation_of, most_lanes
from sweep.plan.limits import limits_of
from sweep.plan.teacher_jobs import (
    TeacherJob,
    chain,
    cohorts,
    distinct,
    like_student,
    pays_together,
    start,
)
from sweep.spec.axes import AxisValue, combinations
from sweep.spec.enqueued import enqueued
from sweep.spec.method_use import RENAMED, MethodUse
from sweep.spec.questions import Question
from sweep.spec.spec import SweepSpec
from sweep.spec.variants import is_read
from trainers.entries import MethodEntry
from trainers.fields import Value
from trainers.settings import NO_NETWORK, Labels, ModelSpec


@dataclass(frozen=True)
class Condition:
    """A setting in which methods are compared; ``noise_rate`` is a share in [0, 1].

    ``varied``: the values of the spec's axes, in their order.
    """

    noise_kind: str
    noise_rate: float
    teacher_labels: str
    varied: tuple[AxisValue, ...] = field(default=(), hash=False)

    def __post_init__(self) -> None:
        if not 0.0 <= self.noise_rate <= 1.0:
            raise ValueError(f"noise_rate is {self.noise_rate}; it is a share and lies in [0, 1]")

    @property
    def labels(self) -> Labels:
        """The labels a student sees."""
        return Labels(self.noise_kind, self.noise_rate)

    @property
    def labels_of_teacher(self) -> Labels:
        """The labels its teacher saw."""
        return self.labels if self.teacher_labels == "noisy" else Labels(self.noise_kind, 0.0)

    @property
    def columns(self) -> dict[str, str | float]:
        """What sets it apart, by the column of tables that shows it."""
        varied = {value.axis: value.column for value in self.varied}
        return {
            "noise_kind": self.noise_kind,
            "noise_rate": self.noise_rate,
            "teacher_labels": self.teacher_labels,
            **varied,
        }

    def __str__(self) -> str:
        named = [f"{self.noise_kind}-{self.noise_rate:g}-{self.teacher_labels}"]
        return "-".join([*named, *(f"{v.axis}-{v.slug}" for v in self.varied)])


@dataclass(frozen=True)
class Cell:
    """A method under a label, in a condition: one study.

    ``spec``: the sweep's, with what the condition and the row change. ``space`` is empty if all is
    pinned; ``entry``: the method's row. ``condition`` has the axes alone that the cell reads.
    """

    use: MethodUse
    condition: Condition
    spec: SweepSpec
    space: dict[str, Domain]
    entry: MethodEntry

    @property
    def enqueued(self) -> tuple[Mapping[str, Value], ...]:
        """The configurations that the spec has its searches try first."""
        enqueue = self.spec.search.enqueue
        return tuple(enqueued(enqueue, self.use.label, self.entry, self.space))

    @property
    def tried_first(self) -> tuple[Mapping[str, Value], ...]:
        """The first trials of its searches: what the spec names, then hyperparameters at which it
        is a simpler method, unless the spec leaves that out. Values that one leaves out are
        drawn."""
        first: list[Mapping[str, Value]] = []
        limits = limits_of(self.use, self.entry, self.space)
        for values in (*self.enqueued, *(limits if self.spec.search.limits_first else ())):
            if values not in first:
                first.append(values)
        return tuple(first)

    @property
    def shifts_bias(self) -> bool:
        """Whether some configuration of it shifts the bias of the student's last layer."""
        at, pin = self.entry.shifts_bias, {**self.use.pin}
        usual = {h.name: h.default for h in self.entry.hyperparameters}
        return at is not None and all(
            name in self.space or pin.get(name, usual[name]) == value for name, value in at.items()
        )

    @cached_property
    def id(self) -> str:
        """The cell's name in studies and runs."""
        return f"{self.condition}/{self.use.label}"


@dataclass(frozen=True)
class CellSearch:
    """A search of a cell, and the runs that what it chose is confirmed in.

    ``id``: its name in studies and runs; ``seed``: of its split, noise and teachers; ``confirmed``:
    the confirm seeds that it chooses for.
    """

    cell: Cell
    id: str
    seed: int
    confirmed: tuple[int, ...]


@dataclass(frozen=True)
class Budget:
    """Counts of what a sweep runs, and the most epochs of students that it takes; ``starts``: warm
    starts; ``cohorts``: how many there are where every search trains alone."""

    teachers: int
    starts: int
    search_trials: int
    shortlist_runs: int
    confirm_runs: int
    cohorts: int
    student_epochs: int


class Plan:
    """Everything that follows from a spec.

    ``fingerprints``: of what was read from files and of the user's own code, for the keys of
    teachers; without them all but these keys is the same.
    """

    def __init__(self, spec: SweepSpec, fingerprints: Fingerprints | None = None) -> None:
        self.spec = spec
        self.fingerprints = fingerprints or {}
        kinds = spec.conditions
        self.conditions = tuple(
            Condition(kind, float(rate), teacher, values)
            for values in combinations(spec.axes)
            for teacher in kinds.teacher_labels
            for kind in kinds.noise_kind
            for rate in kinds.noise_rate
        )
        self._shown = {
            (condition, use.label): self._cell_of(condition, use)
            for condition in self.conditions
            for use in spec.methods
        }
        # A cell that is shown in several conditions is trained once.
        self._by_id: dict[str, Cell] = {}
        for cell in self._shown.values():
            self._by_id.setdefault(cell.id, cell)
        self.cells = tuple(self._by_id.values())
        self._check_names()
        # The same for all, so that no cell's sampler learns from more than another's.
        self.generation = min(generation_of(cell.spec) for cell in self.cells)
        self.lanes = max(self.lanes_of(cell) for cell in self.cells)
        self.search_seed = spec.seed
        self.confirm_seeds = tuple(spec.seed + 1 + i for i in range(spec.confirm.seeds))
        self.searches = tuple(search for cell in self.cells for search in self.searches_of(cell))
        self._searches = {search.id: search for search in self.searches}
        # What the referee asks for every cohort, of every cell or lane, and takes a while.
        self._needed: dict[tuple[str, int], tuple[TeacherJob, ...]] = {}
        self._confirm_lanes: dict[str, int] = {}
        self._chains: dict[tuple[str, int], tuple[tuple[TeacherJob, ...], ...]] = {}
        # What cells are given, by name, where budgets are of compute; else nothing.
        self.allotted: dict[str, Allotted] = allotted(self) if spec.search.fair else {}

    def searches_of(self, cell: Cell) -> tuple[CellSearch, ...]:
        """The searches of a cell: one, or one for every confirm seed.

        Where nothing varies there is one place for all seeds, in which nothing is searched.
        """
        if not (self.spec.search.per_seed and cell.space):
            return (CellSearch(cell, cell.id, self.search_seed, self.confirm_seeds),)
        return tuple(
            CellSearch(cell, f"{cell.id}/seed-{seed}", seed, (seed,)) for seed in self.confirm_seeds
        )

    def search(self, search_id: str) -> CellSearch:
        """The search of that name."""
        return self._searches[search_id]

    @cached_property
    def jobs(self) -> tuple[TeacherJob, ...]:
        """Every teacher and every warm start that some cell needs, those of the search first."""
        return distinct(self.jobs_of(cell, seed) for seed in self._seeds for cell in self.cells)

    @property
    def teachers(self) -> tuple[TeacherJob, ...]:
        """Those that students hear, with the generations before them."""
        return tuple(job for job in self.jobs if not job.is_start)

    @property
    def starts(self) -> tuple[TeacherJob, ...]:
        """Those whose weights students start from."""
        return tuple(job for job in self.jobs if job.is_start)

    @property
    def _seeds(self) -> tuple[int, ...]:
        """Those of all splits: the search's, if it has one of its own, then those of confirm."""
        own = () if self.spec.search.per_seed else (self.search_seed,)
        return (*own, *self.confirm_seeds)

    @property
    def teacher_cohorts(self) -> list[tuple[TeacherJob, ...]]:
        """Teachers, and warm starts, that train together: first those that the search waits for,
        then the others."""
        if self.spec.search.per_seed:
            return cohorts(self.jobs)
        first = [job for job in self.jobs if job.seed == self.search_seed]
        others = [job for job in self.jobs if job.seed != self.search_seed]
        return [*cohorts(first), *cohorts(others)]

    def teachers_of(self, cell: Cell, seed: int) -> tuple[str, ...]:
        """The names of the teachers that ``cell`` reads under ``seed``, in the spec's order."""
        chains = self._teacher_chains(cell, seed)
        return tuple(name for chain in chains for name in chain[-1].names)

    def jobs_of(self, cell: Cell, seed: int) -> tuple[TeacherJob, ...]:
        """The teachers that ``cell`` reads under ``seed``, with the generations before them, and
        its warm start."""
        heard = tuple(job for jobs in self._teacher_chains(cell, seed) for job in jobs)
        start = self.start_of(cell, seed)
        return heard if start is None else (*heard, start)

    def start_of(self, cell: Cell, seed: int) -> TeacherJob | None:
        """What the students of ``cell`` start from under ``seed``; None where that is drawn."""
        return start(cell.spec, cell.condition.labels, seed, self.fingerprints)

    def needed_by(self, cell: Cell, seed: int) -> tuple[TeacherJob, ...]:
        """What has to be at hand before students of ``cell`` train under ``seed``."""
        place = (cell.id, seed)
        if place not in self._needed:
            start = self.start_of(cell, seed)
            self._needed[place] = self.heard_by(cell, seed) + (() if start is None else (start,))
        return self._needed[place]

    def heard_by(self, cell: Cell, seed: int) -> tuple[TeacherJob, ...]:
        """What leaves the teachers that ``cell`` reads under ``seed``, in the spec's order."""
        return tuple(jobs[-1] for jobs in self._teacher_chains(cell, seed))

    def teacher_networks(self, cell: Cell) -> tuple[ModelSpec, ...]:
        """The architectures of the teachers that ``cell`` reads, as `teachers_of` orders them.

        `trainers.settings.NO_NETWORK` for one that no student's example can be shown to: given by
        its logits, or a light one.
        """
        chains = self._teacher_chains(cell, self.search_seed)
        return tuple(
            NO_NETWORK if jobs[-1].network.source else jobs[-1].network.network
            for jobs in chains
            for _ in jobs[-1].names
        )

    def _teacher_chains(self, cell: Cell, seed: int) -> tuple[tuple[TeacherJob, ...], ...]:
        """Of every teacher of a cell, the generations that lead to it."""
        if not cell.entry.uses_teacher:
            return ()
        place = (cell.id, seed)
        if place not in self._chains:
            self._chains[place] = self._chains_of(cell, seed)
        return self._chains[place]

    def _chains_of(self, cell: Cell, seed: int) -> tuple[tuple[TeacherJob, ...], ...]:
        labels = cell.condition.labels_of_teacher
        own = cell.entry.teacher_is_student
        networks = (like_student(cell.spec),) if own else cell.spec.networks_of_teachers
        return tuple(
            chain(cell.spec, network, labels, seed, self.fingerprints) for network in networks
        )

    def shown(self, condition: Condition, label: str) -> Cell:
        """The cell that is shown for a row in a condition."""
        return self._shown[condition, label]

    def conditions_of(self, cell: Cell) -> tuple[Condition, ...]:
        """The conditions in which a cell is shown."""
        return tuple(c for c in self.conditions if self._shown[c, cell.use.label].id == cell.id)

    def _cell_of(self, condition: Condition, use: MethodUse) -> Cell:
        """The cell of a row in a condition: the first of those that train the same, named by the
        axes that it reads."""
        spec, values = self.spec, condition.varied
        reads = spec.read_by(use, values)
        first = next(v for v in combinations(spec.axes) if spec.read_by(use, v) == reads)
        read = [axis.name for axis in spec.axes if is_read(spec, axis, use)]
        named = tuple(value for value in first if value.axis in read)
        own = spec.at(values, use)
        row = own.methods[0] if own is not spec else use
        return Cell(
            use, replace(condition, varied=named), own, own.space_of(row), own.entry_of(row)
        )

    def _check_names(self) -> None:
        """BadInput where two cells would have one name, as labels with dashes can make it."""
        reads: dict[str, str] = {}
        for (condition, _), cell in self._shown.items():
            content = self.spec.read_by(cell.use, condition.varied)
            if reads.setdefault(cell.id, content) != content:
                raise BadInput(
                    f"conditions.vary: two cells would be called {cell.id} in names of runs; "
                    "change the label of one of their values"
                )

    def lanes_of(self, cell: Cell) -> int:
        """The most students in one cohort; BadInput where a generation does not fit into one."""
        student = cell.spec.student
        lanes = most_lanes(cell.spec, student.model.settings(), student.training.batch_size)
        if self.spec.resources.max_lanes == "auto":
            # What a sampler proposes must not depend on what pays.
            return max(lanes, self.generation)
        if self.generation > lanes:
            raise BadInput(
                f"search.generation: {self.generation} trials train in one cohort, but "
                f"resources.max_lanes is {lanes}; lower it to {lanes} or raise the other"
            )
        return lanes

    def confirm_lanes_of(self, cell: Cell) -> int:
        """The most confirm runs in one cohort: one by one they spread over a machine."""
        if cell.id not in self._confirm_lanes:
            together = pays_together(cell.spec.student.model.name, cell.spec)
            self._confirm_lanes[cell.id] = self.lanes_of(cell) if together else 1
        return self._confirm_lanes[cell.id]

    def trials_of(self, cell: Cell) -> int:
        """How many trials a search of ``cell`` asks for: none where nothing varies."""
        if not cell.space:
            return 0
        given = self.allotted.get(cell.id)
        return given.trials if given else self.spec.search.trials

    def shortlist_of(self, cell: Cell) -> tuple[int, int]:
        """The most configurations of ``cell`` that a shortlist holds, and the streams of each."""
        shortlist = self.spec.search.shortlist
        if shortlist == "none":
            return 0, 0
        return min(shortlist.configurations, self.trials_of(cell)), shortlist.seeds

    def cell(self, cell_id: str) -> Cell:
        """The cell of that name."""
        return self._by_id[cell_id]

    @property
    def baselines(self) -> tuple[str, ...]:
        """The labels that the others are compared with."""
        return tuple(use.label for use in self.spec.methods if use.baseline)

    @cached_property
    def declared(self) -> frozenset[tuple[str, str]]:
        """The comparisons that are tested, as the names of their two cells; of the same two cells,
        shown in several conditions, one."""
        questions = self.spec.questions
        if questions is None:
            rows = [use.label for use in self.spec.methods if not use.baseline]
            pairs = [(row, other) for row in rows for other in self.baselines]
            questions = tuple(Question(row=row, against=other) for row, other in pairs)
        return frozenset(
            (self.shown(condition, asked.row).id, self.shown(condition, asked.against).id)
            for asked in questions
            for condition in self.conditions
            if asked.asks_about(condition.columns)
        )

    @property
    def comparisons(self) -> int:
        """How many differences the comparison tests."""
        return len(self.declared)

    def budget(self) -> Budget:
        """What running everything from nothing takes."""
        return self._budget

    @cached_property
    def _budget(self) -> Budget:
        trials = shortlisted = confirmed = epochs = 0
        groups = len(self.teacher_cohorts)
        for search in self.searches:
            cell, lanes = search.cell, self.confirm_lanes_of(search.cell)
            asked, seeds = self.trials_of(cell), len(search.confirmed)
            streams = math.prod(self.shortlist_of(cell))
            trials, shortlisted, confirmed = (
                trials + asked,
                shortlisted + streams,
                confirmed + seeds,
            )
            groups += -(-asked // self.generation) - (-streams // lanes) - (-seeds // lanes)
            epochs += (asked + streams + seeds) * cell.spec.student_training().all_epochs
        teachers, starts = len(self.teachers), len(self.starts)
        return Budget(teachers, starts, trials, shortlisted, confirmed, groups, epochs)


def spec_hash(spec: SweepSpec) -> str:
    """A short hash of everything a spec says."""
    # Fields and a name of 0.1.0 still count, so that sweeps of then keep their hash.
    content = {"meta_split_for_baselines": "withhold", **spec.model_dump(mode="json")}
    content["data"].setdefault("augment", "none")
    if spec.search.shortlist == "none":
        del content["search"]["shortlist"]
    # Left out where it is as usual, and sweeps of 0.1.0 are read as searched without it.
    content["search"].pop("limits_first", None)
    if not spec.search.per_seed:
        del content["search"]["per_seed"]
    if spec.search.enqueue is None:
        del content["search"]["enqueue"]
    for part, limit in (("search", "timeout"), ("resources", "trial_timeout_s")):
        if content[part][limit] is None:
            del content[part][limit]
    before = {new: old for old, new in RENAMED.items()}
    for row, use in zip(content["methods"], spec.methods, strict=True):
        if use.method in before:
            row["method"] = before[use.method]
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

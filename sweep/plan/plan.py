"""From a spec to what would run: cells, teachers, seeds, budgets. Pure, and free of torch."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from search_spaces.domains import Domain
from sweep.errors import BadInput
from sweep.plan.lanes import generation_of, most_lanes
from sweep.plan.teacher_jobs import (
    TeacherJob,
    chain,
    cohorts,
    distinct,
    like_student,
    pays_together,
)
from sweep.spec.spec import MethodUse, SweepSpec
from trainers.entries import MethodEntry
from trainers.settings import Labels, ModelSpec


@dataclass(frozen=True)
class Condition:
    """A setting in which methods are compared; ``noise_rate`` is a share in [0, 1]."""

    noise_kind: str
    noise_rate: float
    teacher_labels: str

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

    def __str__(self) -> str:
        return f"{self.noise_kind}-{self.noise_rate:g}-{self.teacher_labels}"


@dataclass(frozen=True)
class Cell:
    """A method under a label, in a condition: one study.

    ``space`` is empty if all is pinned; ``entry``: the method's row.
    """

    use: MethodUse
    condition: Condition
    space: dict[str, Domain]
    entry: MethodEntry

    @property
    def id(self) -> str:
        """The cell's name in studies and runs."""
        return f"{self.condition}/{self.use.label}"


@dataclass(frozen=True)
class Budget:
    """Counts of what a sweep runs."""

    teachers: int
    search_trials: int
    confirm_runs: int
    cohorts: int


class Plan:
    """Everything that follows from a spec."""

    def __init__(self, spec: SweepSpec) -> None:
        self.spec = spec
        self.generation = generation_of(spec)
        self.lanes = self._lanes()
        together = pays_together(spec.student.model.name, spec)
        # One by one they spread over a machine; only a generation has to stay together.
        self.confirm_lanes = self.lanes if together else 1
        kinds = spec.conditions
        self.conditions = tuple(
            Condition(kind, float(rate), teacher)
            for teacher in kinds.teacher_labels
            for kind in kinds.noise_kind
            for rate in kinds.noise_rate
        )
        self.cells = tuple(
            Cell(use, condition, spec.space_of(use), spec.entry_of(use))
            for condition in self.conditions
            for use in spec.methods
        )
        self.search_seed = spec.seed
        self.confirm_seeds = tuple(spec.seed + 1 + i for i in range(spec.confirm.seeds))

    @cached_property
    def teachers(self) -> tuple[TeacherJob, ...]:
        """Every teacher that some cell needs, those of the search first."""
        return distinct(
            chain
            for seed in (self.search_seed, *self.confirm_seeds)
            for cell in self.cells
            for chain in self._teacher_chains(cell, seed)
        )

    @property
    def teacher_cohorts(self) -> list[tuple[TeacherJob, ...]]:
        """Teachers that train together: first those that the search waits for, then the others."""
        first = [job for job in self.teachers if job.seed == self.search_seed]
        others = [job for job in self.teachers if job.seed != self.search_seed]
        return [*cohorts(first, self.spec), *cohorts(others, self.spec)]

    def teachers_of(self, cell: Cell, seed: int) -> tuple[str, ...]:
        """The names of the teachers that ``cell`` reads under ``seed``, in the spec's order."""
        chains = self._teacher_chains(cell, seed)
        return tuple(name for chain in chains for name in chain[-1].names)

    def teacher_networks(self, cell: Cell) -> tuple[ModelSpec, ...]:
        """The architectures of the teachers that ``cell`` reads, as `teachers_of` orders them."""
        chains = self._teacher_chains(cell, self.search_seed)
        return tuple(c[-1].network.model.settings() for c in chains for _ in c[-1].names)

    def _teacher_chains(self, cell: Cell, seed: int) -> tuple[tuple[TeacherJob, ...], ...]:
        """Of every teacher of a cell, the generations that lead to it."""
        if not cell.entry.uses_teacher:
            return ()
        labels = cell.condition.labels_of_teacher
        own = cell.entry.teacher_is_student
        networks = (like_student(self.spec),) if own else self.spec.teacher
        return tuple(chain(self.spec, network, labels, seed) for network in networks)

    def trains_on_meta(self, cell: Cell) -> bool:
        """Whether a cell's students train on the meta split: never where the method learns from it.

        Teachers never do, so that all methods have the same ones.
        """
        return self.spec.meta_split_for_baselines == "train" and not cell.entry.uses_meta

    def _lanes(self) -> int:
        """The most students in one cohort; BadInput where a generation does not fit into one."""
        student = self.spec.student
        lanes = most_lanes(self.spec, student.model.settings(), student.training.batch_size)
        if self.spec.resources.max_lanes == "auto":
            # What a sampler proposes must not depend on what pays.
            return max(lanes, self.generation)
        if self.generation > lanes:
            raise BadInput(
                f"search.generation: {self.generation} trials train in one cohort, but "
                f"resources.max_lanes is {lanes}; lower it to {lanes} or raise the other"
            )
        return lanes

    def trials_of(self, cell: Cell) -> int:
        """How many trials the search asks for in ``cell``: none where nothing varies."""
        return self.spec.search.trials if cell.space else 0

    def cell(self, cell_id: str) -> Cell:
        """The cell of that name."""
        return {cell.id: cell for cell in self.cells}[cell_id]

    @property
    def baselines(self) -> tuple[str, ...]:
        """The labels that the others are compared with."""
        return tuple(use.label for use in self.spec.methods if use.baseline)

    @property
    def comparisons(self) -> int:
        """How many differences the comparison tests."""
        others = len(self.spec.methods) - len(self.baselines)
        return len(self.conditions) * others * len(self.baselines)

    def budget(self) -> Budget:
        """What running everything from nothing takes."""
        generation = self.generation
        trials = [self.trials_of(cell) for cell in self.cells]
        seeds = len(self.confirm_seeds)
        cohorts = (
            len(self.teacher_cohorts)
            + sum(-(-n // generation) for n in trials)
            + len(self.cells) * -(-seeds // self.confirm_lanes)
        )
        return Budget(len(self.teachers), sum(trials), len(self.cells) * seeds, cohorts)


def spec_hash(spec: SweepSpec) -> str:
    """A short hash of everything a spec says."""
    text = json.dumps(spec.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

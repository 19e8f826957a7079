"""From a spec to what would run: cells, teachers, seeds, budgets. Pure, and free of torch."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property

from search_spaces.domains import Domain
from sweep.errors import BadInput
from sweep.spec import MethodUse, SweepSpec
from trainers.registry import METHODS, MethodEntry
from trainers.settings import Labels

# Raised when a change to training makes earlier teachers differ from what would be trained now.
TEACHER_FORMAT = 1
# Teachers are large: side by side they save little, and small cohorts spread over a machine.
TEACHER_LANES = 8


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
    """A method under a label, in a condition: one study. ``space`` is empty if all is pinned."""

    use: MethodUse
    condition: Condition
    space: dict[str, Domain]

    @property
    def id(self) -> str:
        """The cell's name in studies and runs."""
        return f"{self.condition}/{self.use.label}"

    @property
    def entry(self) -> MethodEntry:
        """The method's row in the registry."""
        return METHODS[self.use.method]


@dataclass(frozen=True)
class TeacherJob:
    """A teacher to be trained; equal jobs have equal keys, in this sweep and any other."""

    key: str
    labels: Labels
    seed: int


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
        if spec.search.generation > spec.resources.max_lanes:
            raise BadInput(
                f"search.generation: {spec.search.generation} trials train in one cohort, but "
                f"resources.max_lanes is {spec.resources.max_lanes}; lower the first or raise the "
                "second"
            )
        self.spec = spec
        kinds = spec.conditions
        self.conditions = tuple(
            Condition(kind, float(rate), teacher)
            for teacher in kinds.teacher_labels
            for kind in kinds.noise_kind
            for rate in kinds.noise_rate
        )
        self.cells = tuple(
            Cell(use, condition, spec.space_of(use))
            for condition in self.conditions
            for use in spec.methods
        )
        self.search_seed = spec.seed
        self.confirm_seeds = tuple(spec.seed + 1 + i for i in range(spec.confirm.seeds))

    @cached_property
    def teachers(self) -> tuple[TeacherJob, ...]:
        """Every teacher that some cell needs, those of the search first."""
        jobs: dict[str, TeacherJob] = {}
        for seed in (self.search_seed, *self.confirm_seeds):
            for cell in self.cells:
                for job in self.teachers_of(cell, seed):
                    jobs.setdefault(job.key, job)
        return tuple(jobs.values())

    @property
    def teacher_cohorts(self) -> list[tuple[TeacherJob, ...]]:
        """Teachers that train together: first those that the search waits for, then the others."""
        first = [job for job in self.teachers if job.seed == self.search_seed]
        others = [job for job in self.teachers if job.seed != self.search_seed]
        lanes = min(TEACHER_LANES, self.spec.resources.max_lanes)
        return [
            tuple(jobs[i : i + lanes])
            for jobs in (first, others)
            for i in range(0, len(jobs), lanes)
        ]

    def teachers_of(self, cell: Cell, seed: int) -> tuple[TeacherJob, ...]:
        """The teachers that ``cell`` reads under ``seed``; none if its method reads none."""
        if not cell.entry.uses_teacher:
            return ()
        labels = cell.condition.labels_of_teacher
        return (TeacherJob(self._teacher_key(labels, seed), labels, seed),)

    def trains_on_meta(self, cell: Cell) -> bool:
        """Whether a cell's students train on the meta split: never where the method learns from it.

        Teachers never do, so that all methods have the same ones.
        """
        return self.spec.meta_split_for_baselines == "train" and not cell.entry.uses_meta

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
        lanes, generation = self.spec.resources.max_lanes, self.spec.search.generation
        trials = [self.trials_of(cell) for cell in self.cells]
        seeds = len(self.confirm_seeds)
        cohorts = (
            len(self.teacher_cohorts)
            + sum(math.ceil(n / generation) for n in trials)
            + len(self.cells) * math.ceil(seeds / lanes)
        )
        return Budget(len(self.teachers), sum(trials), len(self.cells) * seeds, cohorts)

    def _teacher_key(self, labels: Labels, seed: int) -> str:
        """A content key: what a teacher's weights depend on, hashed."""
        spec = self.spec
        content = {
            "format": TEACHER_FORMAT,
            "data": asdict(spec.data_settings()),
            "teacher": spec.teacher.model_dump(mode="json"),
            "selection": asdict(spec.objective.settings()),
            "labels": asdict(labels) if labels.noise_rate else "clean",
            "seed": seed,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def spec_hash(spec: SweepSpec) -> str:
    """A short hash of everything a spec says."""
    text = json.dumps(spec.model_dump(mode="json"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

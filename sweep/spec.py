"""The spec of a sweep: what a user writes in YAML, as models that check themselves.

Every model is strict and frozen; a message of a failed check names the value and the remedy, the
field is added by `sweep.spec_reader`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    model_validator,
)

from search_spaces.domains import Domain
from sweep.errors import unknown
from sweep.spaces import (
    SpaceSpec,
    Strict,
    check_hyperparameter,
    has_hyperparameter,
    resolve_space,
)
from trainers.data.datasets import DATASETS
from trainers.data.noise import CLASS_MAPS, NOISE_KINDS
from trainers.data.splits import SplitFractions
from trainers.hyperparameters import LR, WEIGHT_DECAY, Value
from trainers.registry import METHODS
from trainers.settings import (
    ClassMap,
    DataSpec,
    ModelSpec,
    Option,
    Selection,
    Training,
    Treatment,
)

T = TypeVar("T")

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

# The names under which Optuna's samplers and pruners are known here; the classes are an adapter's.
SAMPLERS = (
    "tpe", "random", "cmaes", "gp", "qmc", "grid", "brute_force", "nsgaii", "nsgaiii",
)  # fmt: skip
PRUNERS = (
    "median", "percentile", "successive_halving", "hyperband", "threshold", "patient",
    "wilcoxon", "none",
)  # fmt: skip
# What a classifier reports on every split, and which way is better.
METRICS: Mapping[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "loss": "minimize",
}
UNITS: Mapping[str, str] = {"accuracy": "percent", "loss": "nats"}
MODEL_NAMES = ("mlp",)


def _safe_name(value: str) -> str:
    if not SAFE_NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot name files and runs; use at most 64 letters, digits, '_', '-' or "
            "'.', beginning with a letter or digit"
        )
    return value


def _one_of(what: str, known: tuple[str, ...]) -> AfterValidator:
    def check(value: str) -> str:
        if value not in known:
            raise ValueError(unknown(what, value, known))
        return value

    return AfterValidator(check)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) != len(values):
        raise ValueError(f"{list(values)} names something twice; name each once")
    return values


SafeName = Annotated[str, AfterValidator(_safe_name)]


def _test_share(value: object) -> float | str:
    """A share, or ``official``; one message for both, where a union of types would give two."""
    if value == "official" or (isinstance(value, float) and 0 < value < 1):
        return value if isinstance(value, float) else "official"
    raise ValueError(f"{value!r} must be a share in (0, 1), or official")


def _file_name(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError(f"{value!r} cannot be a path; name a file or folder, or drop the field")
    return value


FileName = Annotated[str, AfterValidator(_file_name)]


class Splits(Strict):
    """Shares of the data set, each in (0, 1), together at most 1.

    ``test: official`` takes the test part as published, all of it; the other shares are then those
    of the rest.
    """

    train: Annotated[float, Field(gt=0, lt=1)] = 0.5
    meta: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test: Annotated[float | Literal["official"], PlainValidator(_test_share)] = 0.25

    @model_validator(mode="after")
    def _fit(self) -> "Splits":
        total = sum(self.settings().drawn().values())
        if total > 1 + 1e-9:
            raise ValueError(f"the shares add up to {total:g}; lower them to at most 1 together")
        return self

    def settings(self) -> SplitFractions:
        test = None if isinstance(self.test, str) else self.test
        return SplitFractions(self.train, self.meta, self.validation, test)


class Data(Strict):
    """Which data set, what it is told, how it is split, and how training inputs are changed.

    Which of the fields from ``examples`` on a data set takes, stands in its row of the table.
    """

    dataset: Annotated[str, _one_of("data set", tuple(DATASETS))]
    splits: Splits = Splits()
    augment: Literal["none", "crop_flip"] = "none"
    examples: Annotated[int, Field(ge=1)] | None = None
    folder: FileName | None = None
    path: FileName | None = None
    label: Annotated[str, Field(min_length=1)] | None = None
    image_size: Annotated[int, Field(ge=1, le=1024)] | None = None
    classes: Annotated[int, Field(ge=2, le=10_000)] | None = None
    features: Annotated[int, Field(ge=1, le=10_000)] | None = None
    spread: Annotated[float, Field(gt=0)] | None = None
    separation: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _fit(self) -> "Data":
        entry, given = DATASETS[self.dataset], self.options()
        for name in given:
            if name not in entry.takes:
                raise ValueError(
                    f"{name}: {self.dataset} does not take this field; remove it ({self.dataset} "
                    f"takes {', '.join(entry.takes)})"
                )
        for name in entry.needs:
            if name not in given:
                raise ValueError(f"{name}: is missing; {self.dataset} needs it, add it")
        if self.augment != "none" and not entry.images:
            raise ValueError(f"augment: {self.dataset} holds no images to crop; use augment: none")
        if self.splits.test == "official" and not entry.official_test:
            raise ValueError(
                f"splits.test: {self.dataset} has no official test part; give a share instead"
            )
        return self

    def options(self) -> dict[str, Option]:
        """What the data set is told, as far as the spec says it."""
        names = set(type(self).model_fields) - {"dataset", "splits", "augment"}
        values = {name: getattr(self, name) for name in sorted(names)}
        return {name: value for name, value in values.items() if value is not None}


Rate = Annotated[float, Field(ge=0, lt=1)]
Kind = Annotated[str, _one_of("noise kind", tuple(NOISE_KINDS))]
TeacherLabels = Literal["noisy", "clean"]
NoisySplit = Literal["train", "meta", "validation"]
Taken = Annotated[tuple[int, int], Field(strict=False)]


class Conditions(Strict):
    """The settings in which methods are compared: every combination of the first three lists.

    ``noisy_splits``: where the noise falls; never on the test split. ``class_map``: for asymmetric
    noise, pairs of a class and the one it is taken for. ``noise_file``: the labels of noise of the
    kind ``file``.
    """

    noise_kind: Annotated[
        tuple[Kind, ...], Field(min_length=1, strict=False), AfterValidator(_distinct)
    ] = ("symmetric",)
    noise_rate: Annotated[
        tuple[Rate, ...], Field(min_length=1, strict=False), AfterValidator(_distinct)
    ] = (0.0,)
    teacher_labels: Annotated[
        tuple[TeacherLabels, ...], Field(min_length=1, strict=False), AfterValidator(_distinct)
    ] = ("noisy",)
    noisy_splits: Annotated[
        tuple[NoisySplit, ...], Field(min_length=1, strict=False), AfterValidator(_distinct)
    ] = ("train",)
    class_map: Annotated[tuple[Taken, ...], Field(min_length=1, strict=False)] | None = None
    noise_file: FileName | None = None

    @model_validator(mode="after")
    def _fit(self) -> "Conditions":
        sources = [c for c, _ in self.class_map or ()]
        for c, other in self.class_map or ():
            if c == other or c < 0 or other < 0:
                raise ValueError(f"class_map: [{c}, {other}] does not take one class for another")
            if sources.count(c) > 1:
                raise ValueError(f"class_map: class {c} is taken for two; keep one of them")
        if self.class_map and "asymmetric" not in self.noise_kind:
            raise ValueError("class_map: no noise kind is asymmetric; remove it or add the kind")
        if self.noise_file and "file" not in self.noise_kind:
            raise ValueError("noise_file: no noise kind is file; remove it or add the kind")
        if "file" in self.noise_kind and not self.noise_file:
            raise ValueError("noise_file: is missing; noise of the kind file needs it, add it")
        return self


class Model(Strict):
    """A network by name and the widths of its hidden layers."""

    name: Annotated[str, _one_of("model", MODEL_NAMES)]
    hidden: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, strict=False)]

    def settings(self) -> ModelSpec:
        return ModelSpec(self.name, self.hidden)


class TrainingLoop(Strict):
    """What all trials of a network share: epochs, examples per batch, SGD's momentum, schedule."""

    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=1)] = 64
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    schedule: Literal["cosine", "constant"] = "cosine"

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "TrainingLoop":
        if self.nesterov and self.momentum == 0:
            raise ValueError("Nesterov's step needs momentum; set momentum or nesterov: false")
        return self

    def settings(self) -> Training:
        return Training(**self.model_dump())


class Student(Strict):
    """The network whose training is compared."""

    model: Model
    training: TrainingLoop = TrainingLoop()


class Teacher(Student):
    """The network that is trained once per labels and seed, by cross-entropy."""

    lr: Annotated[float, Field(gt=0)] = float(LR.default)
    weight_decay: Annotated[float, Field(ge=0)] = float(WEIGHT_DECAY.default)


class MethodUse(Strict):
    """A method of the sweep under a label of its own, with some hyperparameters pinned."""

    method: Annotated[str, _one_of("method", tuple(METHODS))]
    label: SafeName = ""
    baseline: bool = False
    pin: dict[str, Value] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_method(cls, data: Any) -> Any:
        if isinstance(data, dict) and "method" in data:
            return {"label": data["method"], **data}
        return data

    @model_validator(mode="after")
    def _pins_are_legal(self) -> "MethodUse":
        for name, value in self.pin.items():
            check_hyperparameter(self.method, name, value, f"pin.{name}")
        if self.label == "teacher":
            raise ValueError(
                "the label 'teacher' is taken by the teachers' own runs; choose another"
            )
        return self


class Named(BaseModel):
    """An Optuna sampler or pruner by name, with its own parameters beside it."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    name: str

    def parameters(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class Sampler(Named):
    """What proposes trials."""

    name: Annotated[str, _one_of("sampler", SAMPLERS)] = "tpe"


class Pruner(Named):
    """What stops weak trials."""

    name: Annotated[str, _one_of("pruner", PRUNERS)] = "median"


class Search(Strict):
    """The same budget, sampler, pruner and shared ranges for every cell.

    ``trials`` per cell, asked and trained in generations of ``generation``; ``shared`` ranges hold
    for every method that has the hyperparameter, ``own`` ranges for one label.
    """

    trials: Annotated[int, Field(ge=1)] = 24
    generation: Annotated[int, Field(ge=1)] = 8
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    shared: SpaceSpec = Field(default_factory=dict)
    own: dict[str, SpaceSpec] = Field(default_factory=dict)


class Confirm(Strict):
    """How many fresh seeds the best configuration of each cell is trained on."""

    seeds: Annotated[int, Field(ge=1, le=10_000)] = 10


class Objective(Strict):
    """The validation metric that search improves and that picks the epoch that counts."""

    metric: Annotated[str, _one_of("metric", tuple(METRICS))] = "accuracy"

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        return METRICS[self.metric]

    def settings(self) -> Selection:
        return Selection(self.metric, self.direction == "maximize")


class Resources(Strict):
    """What a cohort takes (CPUs, GPUs or fractions of one), and how much trouble is put up with.

    ``retries``: how often a cohort whose process died is trained again. ``silence_s``: how long a
    cohort may go without finishing an epoch before its process is ended and its trials fail.
    ``store_patience_s``: how long the tracking store may be away before the sweep stops.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    max_lanes: Annotated[int, Field(ge=1)] = 32
    retries: Annotated[int, Field(ge=0)] = 2
    silence_s: Annotated[float, Field(gt=0)] = 3600.0
    store_patience_s: Annotated[float, Field(gt=0)] = 300.0


class SweepSpec(Strict):
    """One sweep: data, conditions, networks, methods, budgets, seeds.

    ``meta_split_for_baselines``: whether methods that do not learn from the clean meta split have
    it withheld, or train on it beside the training split.
    """

    name: SafeName
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: Data
    conditions: Conditions = Conditions()
    teacher: Teacher
    student: Student
    methods: Annotated[tuple[MethodUse, ...], Field(min_length=1, strict=False)]
    objective: Objective = Objective()
    meta_split_for_baselines: Literal["withhold", "train"] = "withhold"
    search: Search = Search()
    confirm: Confirm = Confirm()
    resources: Resources = Resources()

    @model_validator(mode="after")
    def _hangs_together(self) -> "SweepSpec":
        labels = [use.label for use in self.methods]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(
                    f"methods: the label {label!r} is used twice; give each use its own label"
                )
        if not any(use.baseline for use in self.methods):
            raise ValueError(
                "methods: no baseline to compare with; add 'baseline: true' to one of "
                + ", ".join(labels)
            )
        for label, space in self.search.own.items():
            self._check_own_space(label, space)
        self._check_class_map()
        self._check_shared_space()
        for use in self.methods:
            self.space_of(use)
        return self

    def space_of(self, use: MethodUse) -> dict[str, Domain]:
        """What is searched for ``use``: hyperparameters and their domains, in a fixed order."""
        own = self.search.own.get(use.label, {})
        return resolve_space(use.method, use.label, use.pin, self.search.shared, own)

    def data_settings(self) -> DataSpec:
        """The data set, its splits, and what is done to its examples."""
        data, conditions = self.data, self.conditions
        treatment = Treatment(
            augment=data.augment,
            noisy_splits=conditions.noisy_splits,
            class_map=self._class_map() if "asymmetric" in conditions.noise_kind else (),
            noise_file=conditions.noise_file or "",
        )
        return DataSpec(data.dataset, data.splits.settings(), data.options(), treatment)

    def _class_map(self) -> ClassMap:
        return self.conditions.class_map or CLASS_MAPS.get(self.data.dataset, ())

    def _check_class_map(self) -> None:
        if "asymmetric" in self.conditions.noise_kind and not self._class_map():
            raise ValueError(
                f"conditions.class_map: is missing; {self.data.dataset} has no usual one, add "
                "pairs of a class and the one it is taken for, e.g. [[3, 5], [5, 3]]"
            )

    def _check_shared_space(self) -> None:
        known = {h.name for use in self.methods for h in METHODS[use.method].hyperparameters}
        for name in self.search.shared:
            if name not in known:
                raise ValueError(f"search.shared.{name}: {unknown('hyperparameter', name, known)}")

    def _check_own_space(self, label: str, space: SpaceSpec) -> None:
        uses = {use.label: use for use in self.methods}
        if label not in uses:
            raise ValueError(f"search.own.{label}: {unknown('method of this sweep', label, uses)}")
        for name in space:
            where = f"search.own.{label}.{name}"
            check_hyperparameter(uses[label].method, name, None, where)
            users = [use.label for use in self.methods if has_hyperparameter(use.method, name)]
            if len({uses[user].method for user in users}) > 1:
                raise ValueError(
                    f"{where}: {', '.join(users)} share this hyperparameter and must search the "
                    f"same range; put it under search.shared"
                )
            if name in uses[label].pin:
                raise ValueError(f"{where}: is pinned for {label}; drop the pin or the range")

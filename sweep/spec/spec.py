"""The spec of a sweep: what a user writes in YAML, as models that check themselves.

Every model is strict and frozen; a message of a failed check names the value and the remedy, the
field is added by `sweep.spec.reader`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from search_spaces.defaults import OWN
from search_spaces.domains import Choice, Domain
from sweep.errors import BadInput, unknown
from sweep.spec.data import Conditions, Data
from sweep.spec.fields import SafeName, Strict, one_of
from sweep.spec.spaces import (
    SpaceSpec,
    check_hyperparameter,
    has_hyperparameter,
    resolve_space,
)
from sweep.spec.student import Student, Teachers
from trainers.data.noise import CLASS_MAPS
from trainers.hyperparameters import Value
from trainers.registry import METHODS
from trainers.settings import (
    ClassMap,
    DataSpec,
    Selection,
    Treatment,
)

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
# Resources that Ray gives every node by itself.
RAYS_OWN = ("cpu", "gpu", "memory", "object_store_memory", "bundle")
UNITS: Mapping[str, str] = {"accuracy": "percent", "loss": "nats"}


class MethodUse(Strict):
    """A method of the sweep under a label of its own, with some hyperparameters pinned."""

    method: Annotated[str, one_of("method", tuple(METHODS))]
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

    name: Annotated[str, one_of("sampler", SAMPLERS)] = "tpe"


class Pruner(Named):
    """What stops weak trials."""

    name: Annotated[str, one_of("pruner", PRUNERS)] = "median"


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

    metric: Annotated[str, one_of("metric", tuple(METRICS))] = "accuracy"

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        return METRICS[self.metric]

    def settings(self) -> Selection:
        return Selection(self.metric, self.direction == "maximize")


class Resources(Strict):
    """What a cohort takes (CPUs, GPUs or fractions of one), and how much trouble is put up with.

    ``custom``: amounts of resources that nodes of a cluster were started with, by name.
    ``max_lanes``: the most trials in one cohort; ``auto`` takes as many as pay for the network, in
    ``memory_gib`` of the device (by default 2 on a CPU, 16 for each GPU).
    ``retries``: how often a cohort whose process died is trained again. ``silence_s``: how long a
    cohort may go without finishing an epoch before its process is ended and its halves are tried.
    ``store_patience_s``: how long the tracking store may be away before the sweep stops.
    ``checkpoint_every_s``: after how long a cohort that trains is saved, at an epoch's end.
    """

    cpus: Annotated[float, Field(gt=0)] = 1.0
    gpus: Annotated[float, Field(ge=0)] = 0.0
    custom: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    max_lanes: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    memory_gib: Annotated[float, Field(gt=0)] | None = None
    retries: Annotated[int, Field(ge=0)] = 2
    silence_s: Annotated[float, Field(gt=0)] = 3600.0
    store_patience_s: Annotated[float, Field(gt=0)] = 300.0
    checkpoint_every_s: Annotated[float, Field(gt=0)] = 60.0

    @model_validator(mode="after")
    def _custom_is_custom(self) -> "Resources":
        for name in self.custom:
            if not name or name.lower() in RAYS_OWN:
                raise ValueError(
                    f"custom.{name}: is no custom resource of Ray's; CPUs and GPUs have fields of "
                    "their own, and a cohort cannot ask for memory"
                )
        return self


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
    teacher: Teachers
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
            self._check_teachers(use)
            self.space_of(use)
        return self

    def space_of(self, use: MethodUse) -> dict[str, Domain]:
        """What is searched for ``use``: hyperparameters and their domains, in a fixed order."""
        own = self.search.own.get(use.label, {})
        space = resolve_space(use.method, use.label, use.pin, self.search.shared, own)
        return {name: self._for_teachers(use, name, domain) for name, domain in space.items()}

    def teachers_of(self, use: MethodUse) -> int:
        """How many teachers a student of ``use`` hears."""
        entry = METHODS[use.method]
        if not entry.uses_teacher:
            return 0
        return 1 if entry.teacher_is_student else sum(teacher.count for teacher in self.teacher)

    def _check_teachers(self, use: MethodUse) -> None:
        """What is fixed fits the number of teachers; what is searched, `_for_teachers` sees to."""
        entry, own = METHODS[use.method], self.search.own.get(use.label, {})
        searched = {*OWN[use.method], *self.search.shared, *own} - set(use.pin)
        fixed = {h.name: use.pin.get(h.name, h.default) for h in entry.hyperparameters}
        harmless = {
            name: next(c for c in entry.hyperparameter(name).choices if c not in words)
            for name, words in entry.one_teacher_only.items()
            if name in searched
        }
        problem = entry.teacher_problem(self.teachers_of(use), {**fixed, **harmless})
        if problem:
            raise ValueError(f"methods: {use.label}: {use.method} {problem}")

    def _for_teachers(self, use: MethodUse, name: str, domain: Domain) -> Domain:
        """``domain`` without what several teachers rule out, unless the spec asks for it."""
        words = METHODS[use.method].one_teacher_only.get(name, ())
        if self.teachers_of(use) < 2 or not isinstance(domain, Choice):
            return domain
        if name in self.search.own.get(use.label, {}) or name in self.search.shared:
            wrong = [choice for choice in domain.choices if choice in words]
            if wrong:
                raise ValueError(
                    f"search.own.{use.label}.{name}: {wrong[0]!r} knows one teacher alone; take it "
                    "out of the choices"
                )
        return Choice(tuple(choice for choice in domain.choices if choice not in words))

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


def needs_code(spec: SweepSpec) -> tuple[str, ...]:
    """The paths of the user's own code that a sweep would load and run; usually none."""
    models = (*(teacher.model for teacher in spec.teacher), spec.student.model)
    return tuple(dict.fromkeys(model.path for model in models if model.path))


def check_code_is_allowed(spec: SweepSpec, allowed: bool) -> None:
    """BadInput where a sweep would run code of the user's that was not allowed."""
    paths = needs_code(spec)
    if paths and not allowed:
        raise BadInput(
            f"{spec.name}: runs the code of {', '.join(paths)}, which a spec alone may not do; if "
            "you trust it, give --allow-code"
        )

"""The parts of a spec that say which network is trained, and how."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    WrapSerializer,
    model_serializer,
    model_validator,
)

from sweep.spec.fields import Declared, Sparing
from sweep.spec.own_code import as_written, named
from trainers.fields import FieldError
from trainers.hyperparameters import LR, WEIGHT_DECAY
from trainers.settings import (
    NO_NETWORK,
    BatchNorm,
    ModelSpec,
    Schedule,
    SourceSpec,
    Training,
)

Size = Annotated[int, Field(ge=1)]
# Of a teacher that is given: what it is in, and what it does not have, as it is not trained.
GIVEN = ("weights", "logits")
OF_TRAINING = ("training", "lr", "weight_decay", "generations", "snapshots", "source")
LOGITS_IN = (".npy", ".npz", ".parquet")
# What each optimizer is told beside the hyperparameters, with its defaults.
SGD: dict[str, Any] = {"momentum": 0.9, "nesterov": True}
ADAMW: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


class Model(Declared):
    """A network by name and the sizes that it takes, as its row declares them."""

    name: Annotated[str, BeforeValidator(named), as_written]

    def settings(self) -> ModelSpec:
        return ModelSpec(self.name, self.given)


class Source(Declared):
    """What a light teacher is trained on in place of the data, by name and the options that it
    takes, as its row declares them."""

    name: str

    def settings(self) -> SourceSpec:
        return SourceSpec(self.name, self.given)


class TrainingLoop(Sparing):
    """What all trials of a network share: epochs, examples per batch, the optimizer, the schedule.

    ``steps``: how many an epoch has, instead of a pass over the training split. ``milestones`` and
    ``factor``: with ``schedule: steps`` the learning rate is multiplied by the factor (0.1 if not
    given) after each of these epochs. ``warmup_steps``: over so many steps the rate rises to what
    the schedule says. ``clip_norm``: what the gradient of each trial is cut to. ``evaluate_every``:
    epochs between evaluations. ``accumulate``: in how many parts a batch is computed.
    """

    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=1)] = 64
    momentum: Annotated[float, Field(ge=0, lt=1)] | None = None
    nesterov: bool | None = None
    schedule: Schedule = "cosine"
    milestones: Annotated[tuple[Size, ...], Field(min_length=1, strict=False)] | None = None
    factor: Annotated[float, Field(gt=0, lt=1)] | None = None
    optimizer: Literal["sgd", "adamw"] | None = None
    beta1: Annotated[float, Field(ge=0, lt=1)] | None = None
    beta2: Annotated[float, Field(ge=0, lt=1)] | None = None
    epsilon: Annotated[float, Field(gt=0)] | None = None
    steps: Size | None = None
    warmup_steps: Annotated[int, Field(ge=0)] | None = None
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    evaluate_every: Size | None = None
    accumulate: Annotated[int, Field(ge=2)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _optimizers_have_their_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {**(ADAMW if data.get("optimizer") == "adamw" else SGD), **data}

    @model_validator(mode="after")
    def _is_the_optimizers(self) -> "TrainingLoop":
        adamw = self.optimizer == "adamw"
        for name in SGD if adamw else ADAMW:
            if getattr(self, name) is not None:
                mine, its = ("adamw", "sgd") if adamw else ("sgd", "adamw")
                raise ValueError(
                    f"optimizer: {mine} takes no {name}; drop it or set optimizer: {its}"
                )
        if self.nesterov and self.momentum == 0:
            raise ValueError("Nesterov's step needs momentum; set momentum or nesterov: false")
        if self.evaluate_every is not None and self.evaluate_every > self.epochs:
            raise ValueError(
                f"evaluate_every: {self.evaluate_every} is more than the {self.epochs} epochs; "
                "lower it"
            )
        return self

    @model_validator(mode="after")
    def _steps_have_milestones(self) -> "TrainingLoop":
        if self.schedule == "steps":
            if self.milestones is None:
                raise ValueError("schedule: steps needs milestones; add e.g. milestones: [15, 25]")
            self._check_milestones(self.milestones)
            return self
        for name in ("milestones", "factor"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"schedule: {self.schedule} takes no {name}; drop it or set schedule: steps"
                )
        return self

    def _check_milestones(self, milestones: tuple[int, ...]) -> None:
        if list(milestones) != sorted(set(milestones)):
            raise ValueError(f"milestones {list(milestones)} must rise; put them in order")
        if milestones[-1] >= self.epochs:
            raise ValueError(
                f"milestones: the learning rate would never fall after epoch {milestones[-1]} of "
                f"{self.epochs}; lower the milestone or raise epochs"
            )

    @property
    def optimizer_name(self) -> Literal["sgd", "adamw"]:
        """The optimizer; SGD where none is named."""
        return self.optimizer or "sgd"

    def settings(self) -> Training:
        return Training(**self.model_dump())

    def of(self, epochs: int) -> "TrainingLoop":
        """The same for so many epochs, without the milestones that they do not reach."""
        changes: dict[str, Any] = {"epochs": epochs}
        if self.evaluate_every is not None:
            changes["evaluate_every"] = min(self.evaluate_every, epochs)
        if self.milestones is not None:
            reached = tuple(m for m in self.milestones if m < epochs)
            never = {"schedule": "constant", "milestones": None, "factor": None}
            changes |= {"milestones": reached} if reached else never
        return self.model_copy(update=changes)


class WarmStart(Sparing):
    """How the weights that students start from are trained, on labels alone; all else as students
    are. ``weight_decay``: None for the task's usual one."""

    epochs: Size
    lr: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)] | None = None


class Student(Sparing):
    """The network whose training is compared.

    ``warm_start``: what its weights are trained by before any method trains them; None: they are
    drawn at random.
    """

    model: Model
    training: TrainingLoop = TrainingLoop()
    warm_start: WarmStart | None = None


class Teacher(Sparing):
    """A network that is trained on labels alone once per labels and seed, and then taught from; or
    one that is given, and not trained.

    ``generations``: so many are trained one after the other, each by the method ``born_again`` from
    the one before; the last is the teacher. ``snapshots``: instead of the best epoch, what the
    network was after each of these epochs: each is a teacher of its own. ``source``: what a light
    teacher is trained on in place of the data. Given: ``weights``, a file of those of ``model``;
    ``logits``, a file of what a network says of every example.
    ``batch_norm``: what it normalises by where it is the student before, and so has no model.
    """

    model: Model | None = None
    training: TrainingLoop = TrainingLoop()
    lr: Annotated[float, Field(gt=0)] = float(LR.default)
    weight_decay: Annotated[float, Field(ge=0)] = float(WEIGHT_DECAY.default)
    generations: Annotated[int, Field(ge=1, le=20)] | None = None
    snapshots: Annotated[tuple[Size, ...], Field(min_length=1, strict=False)] | None = None
    source: Source | None = None
    weights: Annotated[str, Field(min_length=1)] | None = None
    logits: Annotated[str, Field(min_length=1)] | None = None
    batch_norm: BatchNorm | None = None

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "Teacher":
        if self.logits and (self.weights or self.model):
            other = "weights" if self.weights else "model"
            raise FieldError(
                "logits", f"are all there is to know of a teacher; drop {other}, or the logits"
            )
        if self.is_student_before:
            self._check_has_no_more()
        elif self.model is None and not self.logits:
            raise FieldError("model", "is missing; add it")
        if self.given:
            _refuse_training(self.model_fields_set, str(self.given_as))
        if self.logits and not self.logits.endswith(LOGITS_IN):
            raise FieldError(
                "logits", f"{self.logits!r} must be a file that ends in {', '.join(LOGITS_IN)}"
            )
        return self

    @model_validator(mode="after")
    def _snapshots_fit(self) -> "Teacher":
        snapshots = self.snapshots or ()
        if list(snapshots) != sorted(set(snapshots)):
            raise ValueError(f"snapshots {list(snapshots)} must rise; put them in order")
        if snapshots and snapshots[-1] > self.training.epochs:
            raise ValueError(
                f"snapshots: there is no epoch {snapshots[-1]} in a training of "
                f"{self.training.epochs}; lower it or raise epochs"
            )
        if snapshots and self.generations:
            raise ValueError("snapshots: of generations there are none; drop one of the two")
        return self

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_given(
        self, write: SerializerFunctionWrapHandler
    ) -> dict[str, object]:
        """Nor what a teacher that is given does not have."""
        without = OF_TRAINING if self.given or self.is_student_before else ()
        written = {name: value for name, value in write(self).items() if value is not None}
        return {name: value for name, value in written.items() if name not in without}

    @model_validator(mode="after")
    def _light_one_stands_alone(self) -> "Teacher":
        if self.source and self.generations:
            raise FieldError(
                "generations", "means nothing here, as a light teacher knows its own examples "
                "alone; drop it, or source"
            )  # fmt: skip
        return self

    @property
    def light_source(self) -> SourceSpec | None:
        """What it is trained on in place of the data, if it is a light one."""
        return self.source.settings() if self.source else None

    def _check_has_no_more(self) -> None:
        for name in ("model", "source", *GIVEN, *OF_TRAINING):
            if name in self.model_fields_set:
                raise FieldError(
                    name, "means nothing here, as the student before is the teacher, which "
                    "batch_norm says of; drop one of the two"
                )  # fmt: skip

    @property
    def is_student_before(self) -> bool:
        """Whether it is the student as it was before its task."""
        return self.batch_norm is not None

    @property
    def given(self) -> str | None:
        """The file that it is in, if it is given; it is not trained then."""
        return self.weights or self.logits

    @property
    def given_as(self) -> Literal["weights", "logits"] | None:
        """What that file holds."""
        if not self.given:
            return None
        return "weights" if self.weights else "logits"

    @property
    def network(self) -> ModelSpec:
        """Its network; `NO_NETWORK` where nothing but logits is known."""
        return self.model.settings() if self.model else NO_NETWORK

    @property
    def count(self) -> int:
        """How many teachers a student hears of it."""
        return len(self.snapshots or ()) or 1


def is_trained(teacher: Mapping[str, object]) -> bool:
    """Whether a teacher as it was written is a network that a sweep trains."""
    return all(teacher.get(name) is None for name in (*GIVEN, "batch_norm"))


def _refuse_training(fields: Collection[str], given_as: str) -> None:
    for name in OF_TRAINING:
        if name in fields:
            raise FieldError(
                name, f"means nothing here, as a teacher that is given by its {given_as} is not "
                f"trained; drop it, or {given_as}"
            )  # fmt: skip


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict | Teacher) else value


# One teacher, or a list of several; written as it was given.
Teachers = Annotated[
    tuple[Teacher, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(_as_list),
    WrapSerializer(lambda value, write: write(value)[0] if len(value) == 1 else write(value)),
]

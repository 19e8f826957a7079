"""The parts of a spec that say which network is trained, and how."""

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    WrapSerializer,
    model_validator,
)

from sweep.spec.fields import Declared, Sparing, Strict
from sweep.spec.own_code import as_written, named
from trainers.hyperparameters import LR, WEIGHT_DECAY
from trainers.settings import ModelSpec, Schedule, Training

Size = Annotated[int, Field(ge=1)]
# What each optimizer is told beside the hyperparameters, with its defaults.
SGD: dict[str, Any] = {"momentum": 0.9, "nesterov": True}
ADAMW: dict[str, Any] = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}


class Model(Declared):
    """A network by name and the sizes that it takes, as its row declares them."""

    name: Annotated[str, BeforeValidator(named), as_written]

    def settings(self) -> ModelSpec:
        return ModelSpec(self.name, self.given)


class TrainingLoop(Sparing):
    """What all trials of a network share: epochs, examples per batch, the optimizer, the schedule.

    ``steps``: how many an epoch has, instead of a pass over the training split. ``milestones`` and
    ``factor``: with ``schedule: steps`` the learning rate is multiplied by the factor (0.1 if not
    given) after each of these epochs. ``warmup_steps``: over so many steps the rate rises to what
    the schedule says. ``clip_norm``: what the gradient of each trial is cut to. ``evaluate_every``:
    epochs between evaluations.
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


class Student(Strict):
    """The network whose training is compared."""

    model: Model
    training: TrainingLoop = TrainingLoop()


class Teacher(Sparing):
    """A network that is trained on labels alone once per labels and seed, and then taught from.

    ``generations``: so many are trained one after the other, each by the method ``born_again`` from
    the one before; the last is the teacher. ``snapshots``: instead of the best epoch, what the
    network was after each of these epochs: each is a teacher of its own.
    """

    model: Model
    training: TrainingLoop = TrainingLoop()
    lr: Annotated[float, Field(gt=0)] = float(LR.default)
    weight_decay: Annotated[float, Field(ge=0)] = float(WEIGHT_DECAY.default)
    generations: Annotated[int, Field(ge=1, le=20)] | None = None
    snapshots: Annotated[tuple[Size, ...], Field(min_length=1, strict=False)] | None = None

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

    @property
    def count(self) -> int:
        """How many teachers a student hears of it."""
        return len(self.snapshots or ()) or 1


def _as_list(value: object) -> object:
    return [value] if isinstance(value, dict | Teacher) else value


# One teacher, or a list of several; written as it was given.
Teachers = Annotated[
    tuple[Teacher, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(_as_list),
    WrapSerializer(lambda value, write: write(value)[0] if len(value) == 1 else write(value)),
]

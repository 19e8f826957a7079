"""The parts of a spec that say which network is trained, and how: checked against the trainers.

`trainers.classification.networks.table` has the networks and their sizes; a spec gives those that
the network takes.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WrapSerializer,
    model_validator,
)

from sweep.errors import unknown
from sweep.spec.fields import Sparing, Strict
from trainers.classification.networks.table import FIELDS, NETWORKS, complete
from trainers.hyperparameters import LR, WEIGHT_DECAY
from trainers.settings import ModelSpec, Training

MODEL_NAMES = tuple(NETWORKS)

Size = Annotated[int, Field(ge=1)]


def _known(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(unknown("model", name, MODEL_NAMES))
    return name


class Model(Sparing):
    """A network by name and the sizes that it takes, see
    `trainers.classification.networks.table`."""

    name: Annotated[str, AfterValidator(_known)]
    hidden: Annotated[tuple[Size, ...], Field(min_length=1, strict=False)] | None = None
    depth: Size | None = None
    width: Size | None = None
    growth: Size | None = None
    shortcut: str | None = None
    path: str | None = None
    head: str | None = None
    arguments: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _sizes_are_the_networks(self) -> "Model":
        _check_json(self.arguments or {})
        complete(self.settings())
        return self

    def settings(self) -> ModelSpec:
        given = {name: getattr(self, name) for name in FIELDS}
        return ModelSpec(self.name, **{k: v for k, v in given.items() if v is not None})


def _check_json(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise ValueError(
                f"arguments.{name}: {value!r} must be made of numbers, texts, lists and mappings"
            ) from None


class TrainingLoop(Sparing):
    """What all trials of a network share: epochs, examples per batch, SGD's momentum, schedule.

    ``milestones`` and ``factor``: with ``schedule: steps`` the learning rate is multiplied by the
    factor (0.1 if not given) after each of these epochs.
    """

    epochs: Annotated[int, Field(ge=1)] = 30
    batch_size: Annotated[int, Field(ge=1)] = 64
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    nesterov: bool = True
    schedule: Literal["cosine", "constant", "steps"] = "cosine"
    milestones: Annotated[tuple[Size, ...], Field(min_length=1, strict=False)] | None = None
    factor: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "TrainingLoop":
        if self.nesterov and self.momentum == 0:
            raise ValueError("Nesterov's step needs momentum; set momentum or nesterov: false")
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

    def settings(self) -> Training:
        return Training(**self.model_dump())


class Student(Strict):
    """The network whose training is compared."""

    model: Model
    training: TrainingLoop = TrainingLoop()


class Teacher(Sparing):
    """A network that is trained by cross-entropy once per labels and seed, and then taught from.

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

"""What passes between the referee's process and the workers', loading neither's libraries."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sweep.plan.tasks import CohortTask


@dataclass(frozen=True)
class Dispatch:
    """What a cohort needs: its task, and references to the data and what is kept of the teachers.

    ``weights``: references to the weights of warm starts, and of teachers whose outputs cannot be
    kept.
    ``checkpoint``: the state to go on from, empty if there is none; ``save_every_s``: after how
    many seconds of training it is saved again. ``judged_from``: as `Referee.judged_from`.
    ``given``: a reference to the teacher, in a list, where one is given and not trained.
    """

    task: CohortTask
    dataset: list[Any]
    outputs: Mapping[str, Any]
    weights: Mapping[str, Any]
    checkpoint: bytes
    save_every_s: float
    judged_from: float
    given: list[Any] = field(default_factory=list)


@dataclass(frozen=True)
class Worker:
    """A process that trains, as needed to end it: its actor, its node's id, its process id.

    ``actor``: the handle as `ray.cloudpickle` writes it, for reading one loads what the actor does.
    """

    actor: bytes
    node: str
    pid: int

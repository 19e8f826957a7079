"""The part of a spec that says what a cohort takes; it says nothing about results."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sweep.spec.durations import Duration
from sweep.spec.fields import Strict

# Resources that Ray gives every node by itself.
RAYS_OWN = ("cpu", "gpu", "memory", "object_store_memory", "bundle")


class Resources(Strict):
    """What a cohort takes (CPUs, GPUs or fractions of one), and how much trouble is put up with.

    ``custom``: amounts of resources that nodes of a cluster were started with, by name.
    ``max_lanes``: the most trials in one cohort; ``auto`` takes as many as pay for the network, in
    ``memory_gib`` of the device (by default 2 on a CPU, 16 for each GPU).
    ``retries``: how often a cohort whose process died is trained again. ``silence_s``: how long a
    cohort may go without finishing an epoch before its process is ended and its halves are tried.
    ``store_patience_s``: how long the tracking store may be away before the sweep stops.
    ``checkpoint_every_s``: after how long a cohort that trains is saved, at an epoch's end.
    ``trial_timeout_s``: the longest that a trial of a search may train; its lanes train together,
    and their time is that of their cohort.
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
    trial_timeout_s: Duration | None = None

    @model_validator(mode="after")
    def _custom_is_custom(self) -> "Resources":
        for name in self.custom:
            if not name or name.lower() in RAYS_OWN:
                raise ValueError(
                    f"custom.{name}: is no custom resource of Ray's; CPUs and GPUs have fields of "
                    "their own, and a cohort cannot ask for memory"
                )
        return self

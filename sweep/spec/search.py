"""The part of a spec that says how configurations are searched."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
)

from sweep.spec.durations import Duration
from sweep.spec.enqueued import Enqueued
from sweep.spec.fields import FIELDS, WORD, Strict, one_of
from sweep.spec.spaces import SpaceSpec
from trainers.fields import FieldError

# The names under which Optuna's samplers and pruners are known here; the classes are an adapter's.
SAMPLERS = (
    "tpe", "random", "cmaes", "gp", "qmc", "grid", "brute_force", "nsgaii", "nsgaiii",
)  # fmt: skip
PRUNERS = (
    "median", "percentile", "successive_halving", "hyperband", "threshold", "patient",
    "wilcoxon", "none",
)  # fmt: skip


# What budgets may be equal in.
FAIR = ("trials", "compute")
# In place of a shortlist.
NONE = "none"


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


class Shortlist(Strict):
    """The best few configurations of a search, each trained on a few streams of its own.

    ``configurations``: how many; ``seeds``: draws of first weights and batches for each.
    """

    configurations: Annotated[int, Field(ge=2, le=1_000)] = 3
    seeds: Annotated[int, Field(ge=1, le=1_000)] = 3


def _no_shortlist(value: object) -> object:
    if value != NONE:
        raise ValueError(
            f"{value!r} is no shortlist; write {{configurations: 3, seeds: 3}}, or none"
        )
    return value


def _of_shortlist(value: object) -> str:
    return FIELDS if isinstance(value, Mapping | Shortlist) else WORD


def _equal_in(value: object) -> object:
    """Equal trials are said by saying nothing, so that such specs are one spec."""
    if value not in (None, *FAIR):
        raise ValueError(f"{value!r} is nothing that budgets are equal in; write trials or compute")
    return None if value == "trials" else value


class Search(Strict):
    """The same budget, sampler, pruner and shared ranges for every cell.

    ``trials`` per search, asked and trained in generations of ``generation``; ``fair``: what
    budgets are equal in, None for trials, else those of the first baseline are worth as much
    compute as those of any other row (`sweep.plan.compute`); ``shortlist``: what
    the best of them are tried on again before one is confirmed; ``per_seed``: a search of its own
    for every confirm seed, in place of one for all of them. ``shared`` ranges hold for every method
    that has the hyperparameter, ``own`` ranges for one label. ``enqueue``: configurations that are
    tried first, and count (`sweep.spec.enqueued`); after them, with ``limits_first``,
    hyperparameters at which a method is a simpler one, such as the ends of a mix. ``timeout``:
    seconds after which no further generation begins, but for searches that have fewer trials than
    others.
    """

    trials: Annotated[int, Field(ge=1)] = 24
    generation: Annotated[int, Field(ge=1)] = 8
    fair: Annotated[Literal["compute"] | None, BeforeValidator(_equal_in)] = None
    shortlist: Annotated[
        Annotated[Shortlist, Tag(FIELDS)]
        | Annotated[Literal["none"], BeforeValidator(_no_shortlist), Tag(WORD)],
        Discriminator(_of_shortlist),
    ] = Shortlist()
    per_seed: bool = False
    sampler: Sampler = Sampler()
    pruner: Pruner = Pruner()
    shared: SpaceSpec = Field(default_factory=dict)
    own: dict[str, SpaceSpec] = Field(default_factory=dict)
    enqueue: Enqueued | None = None
    limits_first: bool = True
    timeout: Duration | None = None

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_given(
        self, write: SerializerFunctionWrapHandler
    ) -> dict[str, object]:
        usual = {"fair": None, "limits_first": True}
        return {n: x for n, x in write(self).items() if n not in usual or x != usual[n]}


def check_limit(search: Search) -> None:
    """FieldError where a limit of time would leave searches that are to have equal compute with
    equal trials."""
    if search.fair and search.timeout is not None:
        raise FieldError(
            "search.timeout", "leaves all searches with as many trials as each other, and "
            "search.fair: compute gives them equal compute; drop one of the two"
        )  # fmt: skip

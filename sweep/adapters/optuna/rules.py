"""Samplers and pruners of Optuna by name, with the parameters that a spec gives."""

import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from pydantic import ValidationError

from search_spaces.domains import Choice, Domain, Float
from sweep.errors import BadInput, unknown
from sweep.spec.search import Named, Pruner, Sampler
from sweep.spec.spec import SweepSpec
from trainers.lanes.seeds import stream

Space = Mapping[str, BaseDistribution]


class EndlessGrid(optuna.samplers.GridSampler):
    """A grid that is gone through again if there are more trials; Optuna's would end the study."""

    def after_trial(self, *_: object, **__: object) -> None:
        """Nothing, where Optuna stops."""


class EndlessBruteForce(optuna.samplers.BruteForceSampler):
    """Every combination, then more of them, as `EndlessGrid`."""

    def after_trial(self, *_: object, **__: object) -> None:
        """Nothing, where Optuna stops."""


SAMPLERS: Mapping[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "gp": optuna.samplers.GPSampler,
    "qmc": optuna.samplers.QMCSampler,
    "grid": EndlessGrid,
    "brute_force": EndlessBruteForce,
    "nsgaii": optuna.samplers.NSGAIISampler,
    "nsgaiii": optuna.samplers.NSGAIIISampler,
}

PRUNERS: Mapping[str, type[BasePruner]] = {
    "median": optuna.pruners.MedianPruner,
    "percentile": optuna.pruners.PercentilePruner,
    "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
    "hyperband": optuna.pruners.HyperbandPruner,
    "threshold": optuna.pruners.ThresholdPruner,
    "patient": optuna.pruners.PatientPruner,
    "wilcoxon": optuna.pruners.WilcoxonPruner,
    "none": optuna.pruners.NopPruner,
}

# They stop nothing as long as too few trials are complete.
COMPARES_WITH_COMPLETE = ("median", "percentile")
# One sequence or grid for all trials of a cell: a new seed for each trial would tear it.
ONE_SEED_PER_CELL = ("qmc", "grid", "brute_force")
# How many values of a range a grid tries unless the spec says otherwise (sampler.points).
GRID_POINTS = 4
MOST_GRID_POINTS = 32
# How many trials a rule is tried on, beside those that it starts with at random.
TRIED, TRIED_AT_RANDOM = 3, 16


def build_sampler(spec: Sampler, space: Space, place: tuple[int, str, int]) -> BaseSampler:
    """The sampler for one trial; ``place`` is (sweep seed, cell, trial number)."""
    parts = place[:2] if spec.name in ONE_SEED_PER_CELL else place
    seed = stream(parts[0], "sampler", *parts[1:]) % 2**32
    parameters = spec.parameters()
    fixed: dict[str, Any] = {"seed": seed}
    if spec.name == "grid":
        points = parameters.pop("points", GRID_POINTS)
        if type(points) is not int or not 1 <= points <= MOST_GRID_POINTS:
            raise BadInput(
                f"search.sampler.points: {points!r} must be a whole number from 1 to "
                f"{MOST_GRID_POINTS}"
            )
        fixed["search_space"] = {name: _points(d, points) for name, d in space.items()}
    sampler: BaseSampler = _build(SAMPLERS[spec.name], parameters, fixed, "search.sampler")
    return sampler


def holding(fixed: Mapping[str, Any], sampler: BaseSampler) -> BaseSampler:
    """``sampler`` for a trial in which these hyperparameters have these values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.PartialFixedSampler(dict(fixed), sampler)


def build_pruner(spec: Pruner, where: str = "search.pruner") -> BasePruner:
    """The pruner of a study; ``where`` names its place in the spec."""
    parameters = spec.parameters()
    fixed: dict[str, Any] = {}
    if spec.name == "patient":
        wrapped = parameters.pop("wrapped", None)
        fixed["wrapped_pruner"] = None if wrapped is None else _wrapped(wrapped, f"{where}.wrapped")
    pruner: BasePruner = _build(PRUNERS[spec.name], parameters, fixed, where)
    return pruner


def first_judged(spec: Pruner, complete: int) -> float:
    """The first epoch in which a pruner may stop a trial, with so many complete ones beside it.

    Infinity where it stops none; 1 where that is not known.
    """
    if spec.name == "none":
        return math.inf
    if spec.name not in COMPARES_WITH_COMPLETE:
        return 1.0
    given = {**_defaults(PRUNERS[spec.name]), **spec.parameters()}
    few = complete < max(1, given["n_startup_trials"])
    return math.inf if few else float(max(1, given["n_warmup_steps"]))


def check_rules(spec: SweepSpec) -> None:
    """BadInput unless sampler and pruner take what the spec gives them, on every space of it."""
    sampler, pruner = spec.search.sampler, spec.search.pruner
    for use in spec.methods:
        space = to_distributions(spec.space_of(use))
        built = build_sampler(sampler, space, (0, "", 0))
        if space:
            _try_out(sampler, "search.sampler", space, sampler=built)
    _try_out(pruner, "search.pruner", {}, pruner=build_pruner(pruner))


def to_distributions(space: Mapping[str, Domain]) -> dict[str, BaseDistribution]:
    """Optuna's distributions of a search space."""
    return {name: _distribution(domain) for name, domain in space.items()}


def _distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Choice):
        return CategoricalDistribution(domain.choices)
    if isinstance(domain, Float):
        return FloatDistribution(domain.low, domain.high, log=domain.log)
    return IntDistribution(domain.low, domain.high, log=domain.log)


def _wrapped(given: object, where: str) -> BasePruner:
    try:
        return build_pruner(Pruner.model_validate(given), where)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise BadInput(f"{where}: {given!r}: {said}") from None


def _build(
    cls: Callable[..., Any], parameters: dict[str, Any], fixed: dict[str, Any], where: str
) -> Any:
    """``cls`` with the parameters that a spec gives and those that are not the spec's to give."""
    known = [n for n in _defaults(cls) if n not in (*fixed, "seed", "kwargs")]
    for name in parameters:
        if name not in known:
            raise BadInput(f"{where}.{name}: {unknown('parameter of it', name, known)}")
    with _refusals(parameters, where):
        return cls(**parameters, **fixed)


@cache
def _defaults(cls: Callable[..., Any]) -> Mapping[str, Any]:
    """The parameters of a rule, and what they are unless they are given."""
    return {name: known.default for name, known in inspect.signature(cls).parameters.items()}


def _try_out(rule: Named, where: str, space: Space, **study: Any) -> None:
    """A few trials in memory: some parameters, and missing packages, only show in use."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with _refusals(rule.parameters(), where):
        tried = optuna.create_study(storage=InMemoryStorage(), study_name="try", **study)
        for _ in range(TRIED + min(rule.parameters().get("n_startup_trials", 0), TRIED_AT_RANDOM)):
            trial = tried.ask(dict(space))
            trial.report(0.5, 1)
            trial.should_prune()
            tried.tell(trial, 0.5)


@contextmanager
def _refusals(parameters: dict[str, Any], where: str) -> Iterator[None]:
    """What Optuna raises about parameters, in our words; its word that a rule is new, unsaid."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            yield
    except (TypeError, ValueError, AttributeError, ArithmeticError, AssertionError) as error:
        raise BadInput(f"{where}: Optuna refuses {_shown(parameters)}: {error}") from None
    except ImportError as error:
        raise BadInput(
            f"{where}: needs the package {error.name!r}, which is not installed; "
            f"pip install {error.name}, or choose another"
        ) from None


def _shown(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in parameters.items()) or "no parameters"


def _points(distribution: BaseDistribution, count: int) -> list[Any]:
    """A choice's choices; of a range, ``count`` values spread evenly on its scale."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high = math.log(low), math.log(high)
    values = [low + (high - low) * i / max(count - 1, 1) for i in range(count)]
    if distribution.log:
        values = [math.exp(v) for v in values]
    inside = [min(max(v, float(distribution.low)), float(distribution.high)) for v in values]
    if isinstance(distribution, IntDistribution):
        return sorted({round(v) for v in inside})
    return inside

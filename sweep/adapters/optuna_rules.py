"""Samplers and pruners of Optuna by name, with the parameters that a spec gives."""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from sweep.errors import BadInput, unknown
from sweep.spec import Pruner, Sampler, SweepSpec
from trainers.seeds import stream

Space = Mapping[str, BaseDistribution]

SAMPLERS: Mapping[str, type[BaseSampler]] = {
    "tpe": optuna.samplers.TPESampler,
    "random": optuna.samplers.RandomSampler,
    "cmaes": optuna.samplers.CmaEsSampler,
    "gp": optuna.samplers.GPSampler,
    "qmc": optuna.samplers.QMCSampler,
    "grid": optuna.samplers.GridSampler,
    "brute_force": optuna.samplers.BruteForceSampler,
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

# One sequence or grid for all trials of a cell: a new seed for each trial would tear it.
ONE_SEED_PER_CELL = ("qmc", "grid", "brute_force")
# How many values of a range a grid tries unless the spec says otherwise (sampler.points).
GRID_POINTS = 4


def build_sampler(spec: Sampler, space: Space, place: tuple[int, str, int]) -> BaseSampler:
    """The sampler for one trial; ``place`` is (sweep seed, cell, trial number)."""
    parts = place[:2] if spec.name in ONE_SEED_PER_CELL else place
    seed = stream(parts[0], "sampler", *parts[1:]) % 2**32
    parameters = spec.parameters()
    if spec.name == "grid":
        points = parameters.pop("points", GRID_POINTS)
        parameters["search_space"] = {name: _points(d, points) for name, d in space.items()}
    sampler: BaseSampler = _build(
        SAMPLERS[spec.name], {**parameters, "seed": seed}, "search.sampler"
    )
    return sampler


def build_pruner(spec: Pruner) -> BasePruner:
    """The pruner of a study."""
    parameters = spec.parameters()
    if spec.name == "patient":
        wrapped = parameters.pop("wrapped", None)
        inner = None if wrapped is None else build_pruner(Pruner.model_validate(wrapped))
        parameters["wrapped_pruner"] = inner
    pruner: BasePruner = _build(PRUNERS[spec.name], parameters, "search.pruner")
    return pruner


def check_rules(spec: SweepSpec) -> None:
    """BadInput unless sampler and pruner accept the parameters that the spec gives them."""
    probe: Space = {"x": FloatDistribution(0.0, 1.0)}
    build_sampler(spec.search.sampler, probe, (0, "", 0))
    build_pruner(spec.search.pruner)


def _build(cls: Callable[..., Any], parameters: dict[str, Any], where: str) -> Any:
    known = [name for name in inspect.signature(cls).parameters if name not in ("seed", "kwargs")]
    for name in parameters:
        if name != "seed" and name not in known:
            raise BadInput(f"{where}.{name}: {unknown('parameter of it', name, known)}")
    try:
        return cls(**parameters)
    except (TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{where}: Optuna refuses {_shown(parameters)}: {error}") from None
    except ImportError as error:
        raise BadInput(f"{where}: needs a package that is not installed: {error}") from None


def _shown(parameters: dict[str, Any]) -> str:
    return ", ".join(f"{k}={v!r}" for k, v in parameters.items() if k != "seed") or "no parameters"


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

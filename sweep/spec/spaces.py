"""The search space of one method in a sweep: defaults, what the spec says, less what is pinned."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from search_spaces.defaults import OWN, SHARED
from search_spaces.domains import Choice, Domain, Float, Int
from sweep.errors import unknown
from sweep.spec.fields import Strict
from trainers.hyperparameters import Value
from trainers.registry import METHODS


class DomainSpec(Strict):
    """A range, ``low`` to ``high`` with ``log`` or without, or a list of ``choices``."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: Annotated[tuple[Value, ...], Field(strict=False)] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "DomainSpec":
        ends = (self.low, self.high)
        if self.choices is not None and (ends != (None, None) or self.log):
            raise ValueError("give either low and high or choices, not both")
        if self.choices is None and None in ends:
            raise ValueError("needs low and high, or choices; add what is missing")
        return self


SpaceSpec = dict[str, DomainSpec]


def has_hyperparameter(method: str, name: str) -> bool:
    """Whether ``method`` has a hyperparameter of that name."""
    return any(h.name == name for h in METHODS[method].hyperparameters)


def check_hyperparameter(method: str, name: str, value: Value | None, where: str) -> None:
    """ValueError unless ``method`` has the hyperparameter and ``value`` (if any) is legal."""
    if not has_hyperparameter(method, name):
        known = [h.name for h in METHODS[method].hyperparameters]
        raise ValueError(f"{where}: {unknown(f'hyperparameter of {method}', name, known)}")
    if value is not None:
        problem = METHODS[method].hyperparameter(name).problem(value)
        if problem:
            raise ValueError(f"{where}: {value!r} {problem}")


def resolve_space(
    method: str, label: str, pin: Mapping[str, Value], shared: SpaceSpec, own: SpaceSpec
) -> dict[str, Domain]:
    """The domains searched for a method, by hyperparameter, in a fixed order.

    A range that the spec gives replaces the default one; pinned hyperparameters are left out.
    Raises ValueError where a domain is empty, out of order or holds a value that is not legal.
    """
    domains: dict[str, Domain] = {}
    for name, default in {**SHARED, **OWN[method]}.items():
        if has_hyperparameter(method, name):
            domains[name] = default
    for where, space in (("search.shared", shared), (f"search.own.{label}", own)):
        for name, spec in space.items():
            if has_hyperparameter(method, name):
                domains[name] = to_domain(method, name, spec, f"{where}.{name}")
    return {name: domain for name, domain in sorted(domains.items()) if name not in pin}


def to_domain(method: str, name: str, spec: DomainSpec, where: str) -> Domain:
    """The domain that a spec names for a hyperparameter of ``method``, every value of it legal."""
    check_hyperparameter(method, name, None, where)
    try:
        domain = _domain(METHODS[method].hyperparameter(name).kind, spec)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    values = domain.choices if isinstance(domain, Choice) else (domain.low, domain.high)
    for value in values:
        check_hyperparameter(method, name, value, where)
    return domain


def _domain(kind: str, spec: DomainSpec) -> Domain:
    if spec.choices is not None:
        return Choice(spec.choices)
    assert spec.low is not None
    assert spec.high is not None
    if kind == "choice":
        raise ValueError("takes words, not a range; give choices")
    if kind == "float":
        return Float(spec.low, spec.high, spec.log)
    if not (spec.low.is_integer() and spec.high.is_integer()):
        raise ValueError(f"[{spec.low:g}, {spec.high:g}] must have whole numbers as ends")
    return Int(int(spec.low), int(spec.high), spec.log)

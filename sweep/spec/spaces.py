"""The search space of one method in a sweep: defaults, what the spec says, less what is pinned."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, NamedTuple

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from search_spaces.defaults import BY_TASK, GIVEN, OWN, SHARED
from search_spaces.domains import Choice, Domain, Float, Int
from sweep.errors import unknown
from sweep.spec.fields import Strict
from trainers.entries import MethodEntry
from trainers.fields import Value


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


class Searched(NamedTuple):
    """A method under a label, with all that decides what of it is searched."""

    task: str
    method: str
    entry: MethodEntry
    label: str
    pin: Mapping[str, Value]
    optimizer: str

    def takes(self, name: str) -> bool:
        """Whether there is such a hyperparameter, and it means something with the optimizer."""
        if not self.entry.has(name):
            return False
        h = self.entry.hyperparameter(name)
        return h.needs_optimizer in ("", self.optimizer) and self.unmet(name) is None

    def unmet(self, name: str) -> tuple[str, Value] | None:
        """What it needs of another hyperparameter and has not, or None."""
        for other, needed in self.entry.hyperparameter(name).needs.items():
            if self.pin.get(other, self.entry.hyperparameter(other).default) != needed:
                return other, needed
        return None

    def check(self, name: str, value: Value | None, where: str) -> None:
        """ValueError unless the method has the hyperparameter and ``value`` (if any) is legal."""
        if not self.entry.has(name):
            known = [h.name for h in self.entry.hyperparameters]
            raise ValueError(f"{where}: {unknown(f'hyperparameter of {self.method}', name, known)}")
        h = self.entry.hyperparameter(name)
        if h.needs_optimizer not in ("", self.optimizer):
            raise ValueError(
                f"{where}: means something with optimizer: {h.needs_optimizer} alone; drop it"
            )
        if unmet := self.unmet(name):
            other, needed = unmet
            raise ValueError(
                f"{where}: means something with {other}: {needed} alone; pin that, or drop it"
            )
        if value is not None and (problem := h.problem(value)):
            raise ValueError(f"{where}: {value!r} {problem}")


def resolve_space(use: Searched, shared: SpaceSpec, own: SpaceSpec) -> dict[str, Domain]:
    """The domains searched for a method, by hyperparameter, in a fixed order.

    A range that the spec gives replaces the default one; pinned hyperparameters are left out.
    Raises ValueError where a domain is empty, out of order or holds a value that is not legal.
    """
    domains = {name: d for name, d in defaults(use, own).items() if use.takes(name)}
    for where, space in (("search.shared", shared), (f"search.own.{use.label}", own)):
        for name, spec in space.items():
            if use.takes(name):
                domains[name] = to_domain(use, name, spec, f"{where}.{name}")
    _check_needed(use, domains)
    return {name: domain for name, domain in sorted(domains.items()) if name not in use.pin}


def each_choice(use: Searched, space: Mapping[str, Domain]) -> Iterator[dict[str, Value]]:
    """Every combination of the words that its hyperparameters can have in a row."""
    words = [h for h in use.entry.hyperparameters if h.kind == "choice"]
    possible: list[tuple[Value, ...]] = []
    for h in words:
        domain = space.get(h.name)
        fixed = (use.pin.get(h.name, h.default),)
        possible.append(domain.choices if isinstance(domain, Choice) else fixed)
    for values in product(*possible):
        yield dict(zip([h.name for h in words], values, strict=True))


def _check_needed(use: Searched, domains: Mapping[str, Domain]) -> None:
    """ValueError where it is searched what others need one value of."""
    for h in use.entry.hyperparameters:
        for name in h.needs:
            if name in domains and name not in use.pin:
                raise ValueError(
                    f"search: {use.label}: {name}: cannot be searched, for {h.name} means "
                    "something with one value of it alone; pin it, in a row for each"
                )


def defaults(use: Searched, own: SpaceSpec) -> dict[str, Domain]:
    """What is searched unless the spec says otherwise."""
    found = {**_shared(use), **OWN.get(use.method, {}), **row_space(use)}
    for (method, name, value), space in GIVEN.items():
        if method != use.method or not use.entry.has(name):
            continue
        if name in own:
            raise ValueError(
                f"search.own.{use.label}.{name}: cannot be searched, for {', '.join(space)} means "
                f"something else with each; pin it, in a row for each"
            )
        if use.pin.get(name, use.entry.hyperparameter(name).default) == value:
            found.update(space)
    return found


def _shared(use: Searched) -> Mapping[str, Domain]:
    return {**SHARED, **BY_TASK.get(use.task, {})}


def row_space(use: Searched) -> dict[str, Domain]:
    """What the row of a method that is not almkd's says; ValueError where that is no space."""
    where = f"{use.method}: space"
    try:
        space = TypeAdapter(SpaceSpec).validate_python(dict(use.entry.space))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}.{place}: {first['msg']}; correct it in its row") from None
    for name in space:
        if name in _shared(use):
            raise ValueError(
                f"{where}.{name}: all methods search the same range of {name}; leave it out, or "
                "give search.shared a range for all of them"
            )
    return {name: to_domain(use, name, spec, f"{where}.{name}") for name, spec in space.items()}


def to_domain(use: Searched, name: str, spec: DomainSpec, where: str) -> Domain:
    """The domain that a spec names for a hyperparameter of a method, every value of it legal."""
    use.check(name, None, where)
    try:
        domain = _domain(use.entry.hyperparameter(name).kind, spec)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    values = domain.choices if isinstance(domain, Choice) else (domain.low, domain.high)
    for value in values:
        use.check(name, value, where)
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

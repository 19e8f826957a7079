"""Search spaces and methods, which know nothing of each other, agree."""

from collections.abc import Mapping
from itertools import chain

import pytest

from search_spaces.defaults import BY_TASK, GIVEN, OWN, SHARED
from search_spaces.domains import Choice, Domain, Float, Int
from sweep.spec.spaces import DomainSpec, Searched, resolve_space, to_domain
from tests.contracts.specimens.table import EVERY_METHOD
from trainers.entries import Optimizer
from trainers.fields import Value
from trainers.mixing.table import ROW_METHODS
from trainers.registry import TASKS

# Shared ranges and those that a task has in their place.
SHARED_OF: Mapping[str, Mapping[str, Domain]] = {
    task: {**SHARED, **BY_TASK.get(task, {})} for task in TASKS
}


def _has_another(task: str, method: str, name: str, pin: Mapping[str, Value]) -> bool:
    """Whether a hyperparameter has a range of its own by the default of another."""
    return not pin and any(
        m == method
        and name in ranges
        and TASKS[task].methods[method].hyperparameter(other).default == value
        for (m, other, value), ranges in GIVEN.items()
    )


# Whatever is searched by default: shared, own, or own where another hyperparameter has a value.
DEFAULTS = [
    pytest.param(task.name, method, name, domain, pin, id="-".join((method, name, *pin.values())))
    for task in TASKS.values()
    for method, entry in task.methods.items()
    for pin, space in [
        ({}, {**SHARED_OF[task.name], **OWN.get(method, {})}),
        *(({other: value}, ranges) for (m, other, value), ranges in GIVEN.items() if m == method),
    ]
    for name, domain in space.items()
    if entry.has(name) and not _has_another(task.name, method, name, pin)
]


def _searched(
    task: str, method: str, pin: Mapping[str, Value] | None = None, optimizer: Optimizer = "sgd"
) -> Searched:
    return Searched(task, method, TASKS[task].methods[method], method, pin or {}, optimizer)


def _methods() -> set[str]:
    """Of some task here, or of tasks whose examples have rows."""
    return {*chain.from_iterable(task.methods for task in TASKS.values()), *ROW_METHODS}


def test_every_method_has_a_space_and_every_space_a_method() -> None:
    assert set(OWN) == _methods()
    assert {method for method, _, _ in GIVEN} <= _methods()
    assert set(BY_TASK) <= set(TASKS)


def test_spaces_name_hyperparameters_that_exist() -> None:
    for task in TASKS.values():
        for method, entry in task.methods.items():
            assert all(entry.has(name) for name in OWN[method])
            for (m, other, value), space in GIVEN.items():
                if m == method and entry.has(other):
                    assert value in entry.hyperparameter(other).choices
                    assert all(entry.has(name) for name in space)
        for name in SHARED_OF[task.name]:
            assert any(entry.has(name) for entry in task.methods.values()), name


def test_what_methods_share_is_no_ones_own() -> None:
    # What a method by rows searches is its method by examples', the same range for both.
    by_examples = {"alm_kd_token": "alm_kd"}
    assert set(by_examples) == set(ROW_METHODS)
    assert all(OWN[rows] == OWN[examples] for rows, examples in by_examples.items())
    owned = list(chain.from_iterable(own for m, own in OWN.items() if m not in by_examples))
    assert len(set(owned)) == len(owned)
    assert not set(owned) & set(SHARED)
    for task in TASKS.values():
        assert not set(owned) & set(BY_TASK.get(task.name, {}))
        for name in owned:
            having = [method for method, entry in task.methods.items() if entry.has(name)]
            users = {by_examples.get(method, method) for method in having}
            assert len(users) <= 1, f"{name} is searched by one method, but {users} have it"


@pytest.mark.parametrize(("task", "method", "name", "domain", "pin"), DEFAULTS)
def test_default_domain_is_legal_for_its_method(
    task: str, method: str, name: str, domain: Domain, pin: Mapping[str, Value]
) -> None:
    h = TASKS[task].methods[method].hyperparameter(name)
    assert isinstance(
        domain, {"float": Float | Choice, "int": Int | Choice, "choice": Choice}[h.kind]
    )
    if isinstance(domain, Choice):
        spec = DomainSpec(choices=domain.choices)
    else:
        spec = DomainSpec(low=float(domain.low), high=float(domain.high), log=domain.log)
    optimizer: Optimizer = "adamw" if h.needs_optimizer == "adamw" else "sgd"
    use = _searched(task, method, {**pin, **h.needs}, optimizer)
    assert to_domain(use, name, spec, "") == domain
    assert resolve_space(use, {}, {})[name] == domain


@EVERY_METHOD
def test_method_can_be_searched_with_nothing_said(task: str, method: str) -> None:
    for optimizer in ("sgd", "adamw"):
        space = resolve_space(_searched(task, method, optimizer=optimizer), {}, {})
        assert list(space) == sorted(space)
        entry = TASKS[task].methods[method]
        assert set(space) == {
            name
            for name in (*SHARED_OF[task], *OWN[method])
            if entry.has(name)
            and entry.hyperparameter(name).needs_optimizer in ("", optimizer)
            and not entry.hyperparameter(name).needs
        }

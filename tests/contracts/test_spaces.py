"""Search spaces and methods, which know nothing of each other, agree."""

from itertools import chain

import pytest

from search_spaces.defaults import OWN, SHARED
from search_spaces.domains import Choice, Domain, Float, Int
from sweep.spec.spaces import DomainSpec, resolve_space, to_domain
from trainers.registry import METHODS

DEFAULTS = [
    pytest.param(method, name, domain, id=f"{method}-{name}")
    for method, entry in METHODS.items()
    for name, domain in {**SHARED, **OWN[method]}.items()
    if name in {h.name for h in entry.hyperparameters}
]


def test_every_method_has_a_space_and_every_space_a_method() -> None:
    assert set(OWN) == set(METHODS)


def test_spaces_name_hyperparameters_that_exist() -> None:
    known = {method: {h.name for h in entry.hyperparameters} for method, entry in METHODS.items()}
    assert all(set(OWN[method]) <= known[method] for method in METHODS)
    assert set(SHARED) <= set(chain.from_iterable(known.values()))


def test_what_methods_share_is_no_ones_own() -> None:
    owned = list(chain.from_iterable(OWN.values()))
    assert len(set(owned)) == len(owned)
    assert not set(owned) & set(SHARED)
    for name in owned:
        users = [m for m, e in METHODS.items() if name in {h.name for h in e.hyperparameters}]
        assert len(users) == 1, f"{name} is searched by one method, but {users} have it"


@pytest.mark.parametrize(("method", "name", "domain"), DEFAULTS)
def test_default_domain_is_legal_for_its_method(method: str, name: str, domain: Domain) -> None:
    kind = METHODS[method].hyperparameter(name).kind
    assert isinstance(
        domain, {"float": Float | Choice, "int": Int | Choice, "choice": Choice}[kind]
    )
    if isinstance(domain, Choice):
        spec = DomainSpec(choices=domain.choices)
    else:
        spec = DomainSpec(low=float(domain.low), high=float(domain.high), log=domain.log)
    assert to_domain(method, name, spec, "") == domain


@pytest.mark.parametrize("method", METHODS)
def test_method_can_be_searched_with_nothing_said(method: str) -> None:
    space = resolve_space(method, method, {}, {}, {})
    assert list(space) == sorted(space)
    assert set(OWN[method]) <= set(space)

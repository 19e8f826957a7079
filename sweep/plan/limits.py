"""Which rows of a sweep contain others: at certain hyperparameters they train the very same. Pure.

The limits that a method declares are the first trials of its search, whatever other rows there are,
so that no search misses what a row without the hyperparameter would have had for nothing. What a
row contains beside them is only told in the report.
"""

from collections.abc import Iterable, Iterator, Mapping

from search_spaces.domains import Domain
from sweep.spec.enqueued import lies_in
from sweep.spec.method_use import MethodUse
from trainers.entries import MethodEntry
from trainers.fields import Limit, Value


def limits_of(
    use: MethodUse, entry: MethodEntry, space: Mapping[str, Domain]
) -> tuple[Mapping[str, Value], ...]:
    """The limits of a row's method that its search space holds: values by hyperparameter, those
    aside that are pinned there."""
    return tuple(at for _, at in _limits(use, entry, space))


def contained(
    use: MethodUse, entry: MethodEntry, space: Mapping[str, Domain], rows: Iterable[MethodUse]
) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """The other rows that ``use`` contains, by label, and where in its space each lies."""
    for other in rows:
        if other.label == use.label or (other.clean_use, other.patch) != (use.clean_use, use.patch):
            continue
        if other.method == use.method:
            more = {name: value for name, value in other.pin.items() if name not in use.pin}
            same = {**other.pin, **use.pin} == other.pin
            if same and more and _holds(space, more):
                yield other.label, more
        else:
            for limit, at in _limits(use, entry, space):
                if limit.method == other.method and not other.pin:
                    yield other.label, at


def contained_in_words(
    use: MethodUse, entry: MethodEntry, space: Mapping[str, Domain], rows: Iterable[MethodUse]
) -> dict[str, str]:
    """The same with the hyperparameters as text: "alpha 0.0"."""
    return {
        label: ", ".join(f"{name} {value}" for name, value in at.items())
        for label, at in contained(use, entry, space, rows)
    }


def _limits(
    use: MethodUse, entry: MethodEntry, space: Mapping[str, Domain]
) -> Iterator[tuple[Limit, Mapping[str, Value]]]:
    """Those that a row's search space holds, and what it has to be searched at, beside what is
    pinned there."""
    for limit in entry.limits:
        fixed = {n: use.pin.get(n, entry.hyperparameter(n).default) for n in limit.where}
        at = {name: x for name, x in limit.at.items() if use.pin.get(name) != x}
        holds = not set(fixed) & set(space) and fixed == limit.where
        if holds and at and _holds(space, at):
            yield limit, at


def _holds(space: Mapping[str, Domain], at: Mapping[str, Value]) -> bool:
    return all(name in space and lies_in(space[name], value) for name, value in at.items())

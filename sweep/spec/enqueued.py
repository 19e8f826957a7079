"""Configurations that a spec has its searches try first.

search:
  enqueue: defaults                          # of every row, each hyperparameter at its default
  enqueue: {alm_kd: [defaults, {lr: 0.1}]}   # of one row, known ones; what is left out is drawn
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from search_spaces.domains import Choice, Domain
from sweep.errors import unknown
from trainers.entries import MethodEntry
from trainers.fields import FieldError, Value

DEFAULTS = "defaults"
FIELD = "search.enqueue"
# A configuration: values by hyperparameter, or the word for the defaults.
Known = str | dict[str, Value]


def _for_all_rows_or_some(value: object) -> object:
    """The word alone stands for all rows; a row's may be given without a list around it."""
    if isinstance(value, str) and value != DEFAULTS:
        raise ValueError(
            f"{value!r} is nothing to try; write defaults, or a list for each label, e.g. "
            "{alm_kd: [defaults, {lr: 0.1}]}"
        )
    if not isinstance(value, Mapping):
        return value
    return {
        label: known if isinstance(known, list | tuple) else [known]
        for label, known in value.items()
    }


Enqueued = Annotated[
    str | dict[str, Annotated[tuple[Known, ...], Field(strict=False)]],
    BeforeValidator(_for_all_rows_or_some),
]


def enqueued(
    enqueue: Enqueued | None, label: str, entry: MethodEntry, space: Mapping[str, Domain]
) -> Iterator[Mapping[str, Value]]:
    """What a row's searches try first, in order: values by searched hyperparameter."""
    if enqueue is None:
        return
    mine: Sequence[Known] = (DEFAULTS,) if isinstance(enqueue, str) else enqueue.get(label, ())
    for known in mine:
        values = _defaults(entry, space) if isinstance(known, str) else known
        if values:
            yield values


def check_enqueued(
    enqueue: Enqueued, spaces: Mapping[str, Mapping[str, Domain]], trials: float
) -> None:
    """FieldError where a configuration is of no row, or lies in no search of one.

    ``spaces``: what is searched, by label.
    """
    if isinstance(enqueue, str):
        return
    for label, known in enqueue.items():
        if label not in spaces:
            raise FieldError(FIELD, unknown("row of this sweep", label, spaces))
        if len(known) > trials:
            raise FieldError(
                f"{FIELD}.{label}",
                f"has {len(known)} configurations, which count among the trials, and "
                f"search.trials is {trials}; raise it, or drop some",
            )
        for place, values in enumerate(known):
            _check(values, spaces[label], f"{FIELD}.{label}.{place}")


def _check(values: Any, space: Mapping[str, Domain], where: str) -> None:
    if isinstance(values, str):
        if values != DEFAULTS:
            raise FieldError(
                where, f"{values!r} is no configuration; write defaults, or values such as "
                "{lr: 0.1}"
            )  # fmt: skip
        return
    for name, value in values.items():
        if name not in space:
            raise FieldError(where, unknown("hyperparameter that is searched there", name, space))
        if not lies_in(space[name], value):
            raise FieldError(
                where, f"{name}: {value!r} lies outside of what is searched, {space[name]}; widen "
                "the range, or take another value"
            )  # fmt: skip


def lies_in(domain: Domain, value: Value) -> bool:
    """Whether a search over ``domain`` can come upon ``value``."""
    if isinstance(domain, Choice):
        return value in domain.choices
    return not isinstance(value, str) and domain.low <= value <= domain.high


def _defaults(entry: MethodEntry, space: Mapping[str, Domain]) -> dict[str, Value]:
    """The searched hyperparameters at their defaults, without those that have none there."""
    found: dict[str, Value] = {}
    for name, domain in space.items():
        default = entry.hyperparameter(name).default
        if default is not None and lies_in(domain, default):
            found[name] = default
    return found

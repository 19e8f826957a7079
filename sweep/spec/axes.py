"""Axes: dimensions of the conditions that vary any field of a spec.

    conditions:
      vary:
        clean: {field: data.clean, values: [0.02, 0.05, 0.1]}
        pair:
          "ResNet-32 → ResNet-8": {teacher.model: {…}, student.model: {…}}

An axis is a list of values of one field, or of patches under a label: fields by their dotted path,
each with what stands there instead. A row of a comparison may have a patch too (``with:``).
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sweep.errors import unknown
from sweep.spec.student import ADAMW, OF_TRAINING, SGD
from trainers.fields import FieldError

# The parts of a spec that conditions and rows may differ in, and what may not be: the task, and
# what decides which examples are tested, which the rows of one condition share.
PARTS = ("data", "teacher", "student")
SAME_EXAMPLES = (
    *("data.dataset", "data.splits", "data.examples"),
    *(f"data.stream.{field}" for field in ("tasks", "first", "order")),
)
# Nor what teachers may be asked about.
SAME_CALLS = ("data.teacher_calls", "data.unasked")
# What a spec has to say.
REQUIRED = ("data.dataset", "teacher.model", "student.model")
# Columns that tables have already.
TAKEN = (
    *("sweep", "dataset", "stage", "cell", "method", "baseline", "metric", "clean_labels"),
    "teacher_calls",
    *("noise_kind", "noise_rate", "teacher_labels", "trial", "seed", "state", "reason"),
    *("params", "run_id", "cohort", "epoch"),
)
# Parameters that runs have beside axes and hyperparameters.
OF_EVERY_RUN = (
    *("method", "stage", "seed", "noise_kind", "noise_rate", "teacher_labels"),
    *("dataset", "student", "teacher", "clean_labels", "teacher_calls"),
)
VARIED = "conditions.vary"

Patch = Mapping[str, Any]


@dataclass(frozen=True)
class AxisValue:
    """One value of an axis. ``label``: for people; ``slug``: in names; ``number``: where it is one;
    ``patch``: what it changes, by dotted path."""

    axis: str
    label: str
    slug: str
    number: float | None
    patch: Patch

    @property
    def column(self) -> str | float:
        """What tables show of it."""
        return self.label if self.number is None else self.number


@dataclass(frozen=True)
class Axis:
    """A dimension of the conditions."""

    name: str
    values: tuple[AxisValue, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The paths that it changes."""
        return tuple(dict.fromkeys(path for value in self.values for path in value.patch))


def axes_of(vary: Mapping[str, Mapping[str, Any]]) -> tuple[Axis, ...]:
    """The axes that a spec declares; FieldError where they make no sense by themselves."""
    axes = tuple(_axis(name, content) for name, content in vary.items())
    for place, axis in enumerate(axes):
        for other in axes[:place]:
            if clash := overlap(axis.fields, other.fields):
                raise FieldError(
                    f"{VARIED}.{axis.name}",
                    f"changes {clash[0]}, and so does {other.name} ({clash[1]}); let one axis "
                    "change both, as named patches",
                )
    return axes


def combinations(axes: Sequence[Axis]) -> Iterator[tuple[AxisValue, ...]]:
    """Every choice of one value of each axis, the first axis slowest; one of none without axes."""
    return product(*(axis.values for axis in axes))


def merged(values: Sequence[AxisValue]) -> dict[str, Any]:
    """What these values change together."""
    return {path: content for value in values for path, content in value.patch.items()}


def overlap(some: Sequence[str], others: Sequence[str]) -> tuple[str, str] | None:
    """A path of each of which one holds the other, or None."""
    for a in some:
        for b in others:
            if a == b or a.startswith(f"{b}.") or b.startswith(f"{a}."):
                return a, b
    return None


def check_path(path: str, where: str) -> None:
    """FieldError where a patch may not change what stands at ``path``."""
    part = path.partition(".")[0]
    if part == "task":
        raise FieldError(where, "the task is no condition; give each task a sweep of its own")
    if part not in PARTS:
        raise FieldError(
            where, f"{unknown('part of a spec that varies', part, PARTS)}; give a path such as "
            "student.training.batch_size"
        )  # fmt: skip


def patched(written: Mapping[str, Any], patch: Patch) -> dict[str, Any]:
    """A spec as it was written, with a patch; the original is left alone."""
    whole = copy.deepcopy(dict(written))
    for path, content in patch.items():
        *parents, last = path.split(".")
        place: Any = whole
        for part in parents:
            place = _below(place, part)
        _put(place, last, copy.deepcopy(content))
    return whole


def with_first_values(data: Any) -> Any:
    """A spec as it was written; what it has to say and only its axes say, it says as their first
    values do.

    What is wrong with the axes is told later.
    """
    conditions = data.get("conditions") if isinstance(data, dict) else None
    vary = conditions.get("vary") if isinstance(conditions, dict) else None
    if not vary:
        return data
    try:
        patch = merged([axis.values[0] for axis in axes_of(vary)])
        return patched(data, {p: patch[p] for p in REQUIRED if p in patch and not _has(data, p)})
    except (ValueError, TypeError, AttributeError):
        return data


def _axis(name: str, content: Mapping[str, Any]) -> Axis:
    where = f"{VARIED}.{name}"
    if name in TAKEN:
        raise FieldError(where, f"tables have a column {name} already; choose another name")
    if {"field", "values"} & set(content):
        values = _listed(name, content, where)
    else:
        values = tuple(_named(name, label, patch, where) for label, patch in content.items())
    if not values:
        raise FieldError(where, "has no values; give some, or drop the axis")
    slugs: dict[str, str] = {}
    for value in values:
        if not value.slug:
            raise FieldError(
                where, f"the label {value.label!r} makes no name; use letters or digits in it"
            )
        if value.slug in slugs:
            raise FieldError(
                where, f"the labels {slugs[value.slug]!r} and {value.label!r} would both be called "
                f"{value.slug} in names of runs; change one"
            )  # fmt: skip
        slugs[value.slug] = value.label
        for path in value.patch:
            check_path(path, where)
    return Axis(name, values)


def _listed(name: str, content: Mapping[str, Any], where: str) -> tuple[AxisValue, ...]:
    field, values = content.get("field"), content.get("values")
    if set(content) != {"field", "values"} or not isinstance(field, str):
        raise FieldError(
            where, "a list of values needs a field and values, and nothing else, such as "
            "{field: data.clean, values: [0.02, 0.05]}"
        )  # fmt: skip
    if not isinstance(values, list | tuple):
        raise FieldError(where, f"values: {values!r} must be a list")
    found = []
    for value in values:
        if not isinstance(value, str | int | float | bool):
            raise FieldError(
                where, f"values: {value!r} has no name for tables; give named patches instead, "
                f"such as {{A: {{{field}: …}}}}"
            )  # fmt: skip
        number = None if isinstance(value, str | bool) else float(value)
        label = f"{value:g}" if isinstance(value, float) else str(value)
        found.append(AxisValue(name, label, _slug(label), number, {field: value}))
    return tuple(found)


def _named(name: str, label: object, patch: object, where: str) -> AxisValue:
    if not isinstance(patch, Mapping) or not patch or not all(isinstance(p, str) for p in patch):
        raise FieldError(
            where, f"{label}: {patch!r} must be a mapping of fields, such as "
            "{student.model: {name: mlp, hidden: [16]}}"
        )  # fmt: skip
    return AxisValue(name, str(label), _slug(str(label)), None, dict(patch))


def _slug(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", label).strip("-.")


def _below(place: Any, part: str) -> Any:
    if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
        return place[int(part)]
    if isinstance(place, dict):
        return place.setdefault(part, {})
    raise ValueError(f"there is no field {part} there")


def _put(place: Any, last: str, content: Any) -> None:
    if isinstance(place, list) and last.isdecimal() and int(last) < len(place):
        place[int(last)] = content
    elif isinstance(place, dict):
        for name in _meaningless_beside(last):
            place.pop(name, None)
        place[last] = content
    else:
        raise ValueError(f"there is no field {last} there")


def _meaningless_beside(field: str) -> tuple[str, ...]:
    """Fields that, as they were written out, mean nothing where ``field`` gets another value."""
    if field == "optimizer":
        return (*SGD, *ADAMW)
    return {"weights": (*OF_TRAINING, "logits"), "logits": (*OF_TRAINING, "weights", "model")}.get(
        field, ()
    )


def _has(written: Mapping[str, Any], path: str) -> bool:
    place: Any = written
    for part in path.split("."):
        if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            place = place[int(part)]
        elif isinstance(place, Mapping) and part in place:
            place = place[part]
        else:
            return False
    return True

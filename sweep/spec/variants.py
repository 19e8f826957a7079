"""The spec of a single cell: one row, with what its condition and its own patch change."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import ValidationError

from sweep.spec.axes import (
    SAME_CALLS,
    SAME_EXAMPLES,
    VARIED,
    Axis,
    AxisValue,
    check_path,
    combinations,
    merged,
    overlap,
    patched,
)
from sweep.spec.messages import problems
from trainers.entries import MethodEntry
from trainers.fields import FieldError

# Of the teachers' settings, what a teacher of the student's architecture has too.
RATES = ("lr", "weight_decay")

# What a spec says of all its cells together.
OF_THE_WHOLE = {"conditions": {"vary": True}, "compare": {"questions": True}}

if TYPE_CHECKING:
    from sweep.spec.method_use import MethodUse
    from sweep.spec.spec import SweepSpec


def variant(spec: "SweepSpec", values: Sequence[AxisValue], use: "MethodUse") -> "SweepSpec":
    """``spec`` with one row alone, patched; ValueError where that is no spec."""
    written = spec.model_dump(mode="json", exclude=OF_THE_WHOLE)
    row = use.model_dump(mode="json", exclude={"patch"})
    entry, search = spec.entry_of(use), written["search"]
    written["methods"] = [{**row, "baseline": True}]
    search["own"] = {label: x for label, x in search["own"].items() if label == use.label}
    if isinstance(search["enqueue"], dict):
        mine = {label: x for label, x in search["enqueue"].items() if label == use.label}
        search["enqueue"] = mine or None
    search["shared"] = {name: x for name, x in search["shared"].items() if entry.has(name)}
    patch = {**merged(values), **(use.patch or {})}
    try:
        made = type(spec).model_validate(patched(written, patch))
    except ValidationError as error:
        raise ValueError(problems(error, written, type(spec))[0]) from None
    if made.task_entry.name != spec.task_entry.name:
        raise ValueError(
            f"{made.data.dataset} is of the task {made.task_entry.name}; the task is no condition, "
            "give each a sweep of its own"
        )
    return made


def what_is_read(spec: "SweepSpec", use: "MethodUse", values: Sequence[AxisValue]) -> str:
    """All of data, teachers and student that decides what a cell trains, as text."""
    made, entry = spec.at(values, use), spec.entry_of(use)
    content = made.model_dump(mode="json", include={"data", "student"})
    if not _reads("data.clean", use, entry):
        content["data"].pop("clean", None)
    if made.data.unasked_rule == "label" and not entry.uses_teacher:
        for path in SAME_CALLS:
            content["data"].pop(path.partition(".")[2], None)
    if entry.teacher_is_student:
        content["teacher"] = list(made.rates_of_teachers.values())
    elif entry.uses_teacher:
        content |= made.model_dump(mode="json", include={"teacher"})
    return json.dumps(content, sort_keys=True)


def is_read(spec: "SweepSpec", axis: Axis, use: "MethodUse") -> bool:
    """Whether a row reads a field of an axis, whatever the values."""
    entry = spec.entry_of(use)
    # Without a teacher, what may be asked decides no more than what is dropped.
    asks = entry.uses_teacher or _drops(spec)
    fields = [path for path in axis.fields if asks or path not in SAME_CALLS]
    return any(_reads(path, use, entry) for path in fields)


def _drops(spec: "SweepSpec") -> bool:
    """Whether some condition has no place for examples that teachers may not be asked about."""
    own = spec.data.unasked_rule
    values = [value.patch for axis in spec.axes for value in axis.values]
    varied = [patch["data.unasked"] for patch in values if "data.unasked" in patch]
    return "drop" in (varied or [own])


def _reads(path: str, use: "MethodUse", entry: MethodEntry) -> bool:
    part, _, rest = path.partition(".")
    if path == "data.clean":
        return entry.uses_meta or use.clean_use != "withhold"
    if part == "teacher" and entry.teacher_is_student:
        return rest.rpartition(".")[2] in ("", *RATES)
    return part != "teacher" or entry.uses_teacher


def check_variants(spec: "SweepSpec") -> None:
    """FieldError where a row's patch, or a value of an axis, makes no spec, or nobody reads it."""
    for place, use in enumerate(spec.methods):
        _check_patch(spec, place, use)
        _check_makes(spec, (), use, f"methods.{place}.with")
    # One value at a time first, so that a message names the one that is to blame.
    for axis in spec.axes:
        for value in axis.values:
            for use in spec.methods:
                alone = _with(spec.axes, axis, value)
                _check_makes(spec, alone, use, f"{VARIED}.{axis.name}: {value.label}")
    for values in combinations(spec.axes):
        shown = ", ".join(f"{value.axis} {value.label}" for value in values)
        for use in spec.methods:
            _check_makes(spec, values, use, f"{VARIED}: {shown}")
    taken = {h.name for use in spec.methods for h in spec.entry_of(use).hyperparameters}
    for axis in spec.axes:
        if axis.name in taken:
            raise FieldError(
                f"{VARIED}.{axis.name}", "is the name of a hyperparameter, and would hide it in "
                "the runs; choose another"
            )  # fmt: skip
        if not any(is_read(spec, axis, use) for use in spec.methods):
            raise FieldError(
                f"{VARIED}.{axis.name}", f"no row reads {' or '.join(axis.fields)}, so all its "
                "conditions would be one; drop the axis, or add a row that does"
            )  # fmt: skip


def _check_makes(
    spec: "SweepSpec", values: Sequence[AxisValue], use: "MethodUse", where: str
) -> None:
    try:
        spec.at(values, use)
    except ValueError as error:
        raise FieldError(where, f"{use.label}: {error}") from None


def _check_patch(spec: "SweepSpec", place: int, use: "MethodUse") -> None:
    """What a row may differ in: not in what is tested, nor in what the conditions vary."""
    where, paths = f"methods.{place}.with", tuple(use.patch or ())
    for path in paths:
        check_path(path, where)
    if clash := overlap(paths, SAME_EXAMPLES):
        raise FieldError(
            where, f"{clash[0]} decides which examples are tested, and rows of a condition share "
            f"these; make it an axis under {VARIED}"
        )  # fmt: skip
    if clash := overlap(paths, SAME_CALLS):
        raise FieldError(
            where, f"{clash[0]} decides what teachers may be asked about, and rows of a condition "
            f"share that; make it an axis under {VARIED}"
        )  # fmt: skip
    for axis in spec.axes:
        if clash := overlap(paths, axis.fields):
            raise FieldError(
                where, f"{clash[0]} is varied by the axis {axis.name} already ({clash[1]}); drop "
                "one of the two"
            )  # fmt: skip


def _with(axes: Sequence[Axis], axis: Axis, value: AxisValue) -> list[AxisValue]:
    """That value, and the first of every other axis."""
    return [value if other is axis else other.values[0] for other in axes]

"""What the conditions of a spec say of noise, checked against the kinds of the task."""

from typing import Any

from sweep.errors import unknown
from sweep.spec.data import Conditions
from trainers.entries import DatasetEntry, TaskEntry
from trainers.fields import Field, FieldError, checked
from trainers.registry import TASKS


def noise_options(conditions: Conditions, task: TaskEntry, dataset: DatasetEntry) -> dict[str, Any]:
    """What the noise kinds are told: as given, or as is usual for the data set."""
    options = {}
    for field in _fields_of(conditions, task):
        usual = dataset.noise_defaults.get(field.name, field.default)
        value = conditions.given.get(field.name, usual)
        if value is not None:
            options[field.name] = value
    return options


def check_noise(conditions: Conditions, task: TaskEntry, dataset: DatasetEntry) -> None:
    """FieldError where a kind is not the task's, or what it is told does not fit; converts it."""
    for place, kind in enumerate(conditions.noise_kind):
        if kind not in task.noise_kinds:
            theirs = [other.name for other in TASKS.values() if kind in other.noise_kinds]
            raise FieldError(f"conditions.noise_kind.{place}", not_here("noise kind", kind, task,
                             theirs, list(task.noise_kinds)))  # fmt: skip
    _check_known(conditions, task)
    mine = _fields_of(conditions, task)
    given = [field for field in mine if field.name in conditions.given]
    try:
        conditions.take(checked(given, conditions.given, "the noise"))
    except FieldError as error:
        raise FieldError(f"conditions.{error.field}", str(error)) from None
    options = noise_options(conditions, task, dataset)
    for kind in conditions.noise_kind:
        for field in task.noise_kinds[kind].fields:
            if field.name not in options and field.example is not None:
                usual = "" if field.required else ", and the data set has no usual one"
                raise FieldError(
                    f"conditions.{field.name}",
                    f"is missing; noise of the kind {kind} needs it{usual}; add it, e.g. "
                    f"{field.name}: {field.example}",
                )
        if problem := task.noise_kinds[kind].problem(options):
            raise ValueError(f"conditions: {problem}")


def not_here(what: str, name: str, task: TaskEntry, theirs: list[str], known: list[str]) -> str:
    """A message for a row that this task has not, and maybe another."""
    if not theirs:
        return unknown(what, name, known)
    return f"{name!r} is a {what} of {' and '.join(theirs)}; {task.name} has {', '.join(known)}"


def _fields_of(conditions: Conditions, task: TaskEntry) -> list[Field]:
    """What the kinds that are used declare."""
    return [field for kind in conditions.noise_kind for field in task.noise_kinds[kind].fields]


def _check_known(conditions: Conditions, task: TaskEntry) -> None:
    """Every further field is declared by a kind that is used."""
    owner = {f.name: name for name, kind in task.noise_kinds.items() for f in kind.fields}
    for name in conditions.given:
        if name not in owner:
            names = [*type(conditions).model_fields, *owner]
            problem = f"{unknown('field here', name, names)}; remove it or correct its name"
            raise FieldError(f"conditions.{name}", problem)
        if owner[name] not in conditions.noise_kind:
            raise FieldError(
                f"conditions.{name}", f"no noise kind is {owner[name]}; remove it or add the kind"
            )

"""The tables of what there is to choose from, made from the rows that declare it.

Each table is a list of rows, a text for each column; commands print them, docs hold them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from search_spaces.defaults import BY_TASK, GIVEN, OWN, SHARED
from search_spaces.durations import TAKES
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.spec.presets import presets
from sweep.spec.reader import read_spec
from sweep.spec.spaces import Searched, row_space
from trainers.entries import ALMKD, MethodEntry, NetworkEntry, TaskEntry
from trainers.entries import Row as Declared
from trainers.fields import Field
from trainers.loading import options_of
from trainers.registry import TASKS

Row = Mapping[str, str]
# Columns of names.
NAMES = (
    "task", "method", "data set", "network", "noise kind", "light set", "preset", "metric", "field",
)  # fmt: skip


def task_rows() -> list[Row]:
    """One row per task."""
    return [
        {
            "task": task.name,
            "what it is": task.summary,
            "an example is": task.example,
            "data sets": ", ".join(task.datasets),
            "metrics": ", ".join(task.metrics),
            "objective": task.objective,
            "tested": task.compared or task.objective,
            "epoch that counts": task.selection,
            "optimizer": task.optimizer,
            "noise": ", ".join(task.noise_kinds),
            "kept of a teacher": task.teacher_outputs,
            "a prediction is": task.prediction,
            "a student is": task.export,
        }
        for task in TASKS.values()
    ]


def metric_rows(task: str | None = None) -> list[Row]:
    """One row per metric of every task, or of one."""
    return [
        {
            **_of(owner),
            "metric": metric.name,
            "what it is": metric.meaning,
            "unit": metric.unit,
            "better is": "higher" if metric.direction == "maximize" else "lower",
            "undefined": metric.undefined,
        }
        for owner in _tasks(task)
        for metric in owner.metrics.values()
    ]


def method_rows(task: str | None = None) -> list[Row]:
    """One row per method of every task, or of one."""
    return [
        {
            **_of(owner),
            "method": name,
            "what it does": entry.summary,
            "teachers": _teachers(entry),
            "clean meta split": _clean(entry),
            "hyperparameters": _fields(entry.hyperparameters),
            "source": entry.source,
            "from": _package(entry),
        }
        for owner in _tasks(task)
        for name, entry in owner.methods.items()
    ]


def field_rows(fields: Iterable[Field]) -> list[Row]:
    """One row per field, whatever table it is of."""
    return [
        {
            "field": field.name,
            "kind": field.kind,
            "meaning": field.meaning,
            "legal": _legal(field),
            "unit": field.unit,
            "default": "required" if field.required else _text(field.default),
            "source": field.source,
        }
        for field in fields
    ]


def dataset_rows(task: str | None = None) -> list[Row]:
    """One row per data set of every task, or of one."""
    return [
        {
            **_of(owner),
            "data set": name,
            "what it is": entry.summary,
            "official test": "yes" if entry.official_test else "",
            "options": _fields(options_of(entry)),
            "source": entry.source,
            "from": _package(entry),
        }
        for owner in _tasks(task)
        for name, entry in owner.datasets.items()
    ]


def network_rows(task: str | None = None) -> list[Row]:
    """One row per network of every task, or of one."""
    return [
        {
            **_of(owner),
            "network": name,
            "what it is": entry.summary,
            "sizes": _fields(entry.fields),
            "lanes on a CPU": _lanes(entry, "cpu"),
            "on a GPU": _lanes(entry, "cuda"),
            "source": entry.source,
            "from": _package(entry),
        }
        for owner in _tasks(task)
        for name, entry in owner.networks.items()
    ]


def noise_rows(task: str | None = None) -> list[Row]:
    """One row per noise kind of every task, or of one."""
    return [
        {
            **_of(owner),
            "noise kind": name,
            "what happens": entry.summary,
            "options": _fields(entry.fields),
            "source": entry.source,
        }
        for owner in _tasks(task)
        for name, entry in owner.noise_kinds.items()
    ]


def source_rows(task: str | None = None) -> list[Row]:
    """One row per set that light teachers may be trained on, of every task, or of one."""
    return [
        {
            **_of(owner),
            "light set": name,
            "what it is": entry.summary,
            "options": _fields(entry.fields),
            "source": entry.source,
        }
        for owner in _tasks(task)
        for name, entry in owner.teacher_sources.items()
    ]


def preset_rows() -> list[Row]:
    """One row per preset: what it asks, its size, about how long it takes."""
    rows: list[Row] = []
    for name in presets():
        spec = read_spec(name)
        plan = Plan(spec)
        budget = plan.budget()
        rows.append(
            {
                "preset": name,
                "task": spec.task_entry.name,
                "what it asks": spec.description,
                "data set": spec.data.dataset,
                "cells": str(len(plan.cells)),
                "trainings": f"{budget.teachers} teachers, {budget.search_trials} trials, "
                f"{budget.shortlist_runs} shortlist runs, "
                f"{budget.confirm_runs} confirm runs",
                "takes about": TAKES[name],
            }
        )
    return rows


def space_rows(task: str | None = None) -> list[Row]:
    """One row per range that is searched by default."""
    return [
        {
            **_of(owner),
            "method": method,
            "hyperparameter": name,
            "domain": str(domain),
            "default": _text(field.default),
            "source of the default": field.source,
        }
        for owner in _tasks(task)
        for method, name, domain, field in _spaces(owner)
    ]


def fields_of(table: str, name: str, task: str | None = None) -> list[Row]:
    """One row per field of a method, a data set, a network, a noise kind or a light set, of the
    first task that has it, or of ``task``; KeyError where there is none of that name."""
    rows: Mapping[str, Callable[[TaskEntry], Iterable[Field]]] = {
        "methods": lambda owner: owner.methods[name].hyperparameters,
        "datasets": lambda owner: options_of(owner.datasets[name]),
        "networks": lambda owner: owner.networks[name].every_field,
        "noise": lambda owner: owner.noise_kinds[name].fields,
        "sources": lambda owner: owner.teacher_sources[name].fields,
    }
    for owner in _tasks(task):
        if name in names_in(table, owner):
            return field_rows(rows[table](owner))
    raise KeyError(name)


def names_in(table: str, task: TaskEntry) -> list[str]:
    """The names in a table of a task."""
    tables: Mapping[str, Mapping[str, object]] = {
        "methods": task.methods,
        "datasets": task.datasets,
        "networks": task.networks,
        "noise": task.noise_kinds,
        "sources": task.teacher_sources,
    }
    return list(tables[table])


def to_markdown(rows: Sequence[Row]) -> str:
    """A table in GitHub's Markdown; columns in which no row says anything are left out."""
    if not rows:
        return "none\n"
    columns = [column for column in rows[0] if any(row[column] for row in rows)]
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(column, row[column]) for column in columns] for row in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(column: str, text: str) -> str:
    """A cell in Markdown; what can be written into a spec as code."""
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if column in NAMES and text and not text.startswith("(") else escaped


def _tasks(task: str | None) -> list[TaskEntry]:
    return [TASKS[task]] if task else list(TASKS.values())


def _of(task: TaskEntry) -> dict[str, str]:
    """The column that tells tasks apart, where there are several."""
    return {"task": task.name} if len(TASKS) > 1 else {}


def _spaces(task: TaskEntry) -> Iterator[tuple[str, str, object, Field]]:
    """Method, hyperparameter, domain and field of everything that is searched by default."""
    shared = {**SHARED, **BY_TASK.get(task.name, {})}
    for name, domain in shared.items():
        owners = [entry for entry in task.methods.values() if entry.has(name)]
        if owners:
            yield "(shared)", name, domain, owners[0].hyperparameter(name)
    for method, entry in task.methods.items():
        use = Searched(task.name, method, entry, method, {}, task.optimizer)
        try:
            own = {**OWN.get(method, {}), **row_space(use)}
        except ValueError as error:
            raise BadInput(str(error)) from None
        for name, domain in own.items():
            yield method, name, domain, entry.hyperparameter(name)
        for (owner, other, value), space in GIVEN.items():
            for name, domain in space.items():
                if owner == method:
                    yield (f"{method}, {other}: {value}", name, domain, entry.hyperparameter(name))


def _package(row: Declared) -> str:
    """Whose a row is, where it is not almkd's."""
    return "" if row.origin == ALMKD else row.origin


def _clean(entry: MethodEntry) -> str:
    if entry.uses_meta:
        return "yes"
    return "has to be trained on" if entry.needs_clean_rows else ""


def _teachers(entry: MethodEntry) -> str:
    words = {"none": "none", "one": "one", "several": "two or more", "any": "any number"}
    return words[entry.teachers] + (", like the student" if entry.teacher_is_student else "")


def _fields(fields: Iterable[Field]) -> str:
    """Names with their defaults: ``temperature (4), path``."""
    return ", ".join(
        f.name if f.required or f.default is None else f"{f.name} ({_text(f.default)})"
        for f in fields
    )


def _legal(field: Field) -> str:
    words = [*([field.legal_range()] if field.legal_range() else []), *field.words]
    return " or ".join(words) or field.kind


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None or value == {} else str(value)


def _lanes(entry: NetworkEntry, device: str) -> str:
    return "stacked" if device in entry.together else "in turn"

"""TASKS by name, and who brings what.

Free of torch, so that a spec can be checked without loading it. Installed packages add tasks by
entry points of the group `GROUP`, each naming a `trainers.entries.TaskEntry`; methods, data sets
and networks by those of `ROW_GROUPS`, each naming a row, which is called as the entry point is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from trainers.classification.entry import CLASSIFICATION
from trainers.ctc.entry import CTC
from trainers.data.errors import listed
from trainers.detection.entry import DETECTION
from trainers.entries import (
    DatasetEntry,
    MethodEntry,
    NetworkEntry,
    Row,
    TaskEntry,
)
from trainers.incremental.entry import INCREMENTAL
from trainers.language.entry import LANGUAGE
from trainers.own import Table, code_problem, completed, is_path, problem
from trainers.recommendation.entry import RECOMMENDATION
from trainers.text.entry import TEXT

GROUP = "almkd.tasks"
# By the table of a task: the group of entry points, what a row is called, its class.
ROW_GROUPS: Mapping[str, tuple[str, str, type[Row]]] = {
    "methods": ("almkd.methods", "method", MethodEntry),
    "datasets": ("almkd.datasets", "data set", DatasetEntry),
    "networks": ("almkd.networks", "network", NetworkEntry),
}
OWN = (CLASSIFICATION, TEXT, INCREMENTAL, LANGUAGE, RECOMMENDATION, CTC, DETECTION)
# Whose a data set of several tasks is where no task is named.
FIRST = CLASSIFICATION.name


class Found(NamedTuple):
    """What there is: tasks by name; what is wrong, a line each; what was left out, a line each."""

    tasks: dict[str, TaskEntry]
    problems: list[str]
    left_out: list[str]


def found() -> Found:
    """Every task by name, with all rows that packages add."""
    so_far = Found({task.name: task for task in OWN}, [], [])
    for point in entry_points(group=GROUP):
        _add_task(so_far, point)
    for table, (group, what, kind) in ROW_GROUPS.items():
        for point in entry_points(group=group):
            _add_row(so_far, table, f"the {what} {point.name} of {_package(point)}", kind, point)
    return so_far._replace(tasks={name: _open(task) for name, task in so_far.tasks.items()})


def _add_task(to: Found, point: EntryPoint) -> None:
    where = f"the task {point.name} of the package {point.dist.name if point.dist else '?'}"
    try:
        task = point.load()
    except Exception as error:  # noqa: BLE001 - whatever the package does wrong
        to.problems.append(f"{where} cannot be loaded: {_told(error)}; mend it")
        return
    if not isinstance(task, TaskEntry):
        to.problems.append(f"{where} is no trainers.entries.TaskEntry but {task!r}; mend it")
    elif task.name in to.tasks:
        to.problems.append(f"{where}: there is a task {task.name!r} already; uninstall one")
    else:
        to.tasks[task.name] = _signed(task, _package(point))


def _add_row(to: Found, table: str, where: str, kind: type[Row], point: EntryPoint) -> None:
    """Put a row into the tables of its tasks; a line where it cannot be, or its name is taken."""
    try:
        row = point.load()
    except Exception as error:  # noqa: BLE001 - whatever the package does wrong
        to.left_out.append(f"{where} is left out: it cannot be loaded: {_told(error)}")
        return
    wrong = _wrong(to, point.name, row, kind)
    if wrong:
        to.left_out.append(f"{where} is left out: it {wrong}")
        return
    served = [task for task in to.tasks.values() if row.serves(task.name)]
    taken = {
        t.name: getattr(t, table)[point.name] for t in served if point.name in getattr(t, table)
    }
    if taken:
        has = "has" if len(taken) == 1 else "have"
        others = listed(list(dict.fromkeys(other.origin for other in taken.values())))
        to.problems.append(
            f"{where}: {listed(list(taken))} {has} one of that name already, of {others}; "
            "uninstall one"
        )
    for task in served:
        rows = getattr(task, table)
        if task.name in taken:
            continue
        added = replace(completed(row, rows), origin=_package(point))
        changed: dict[str, Any] = {table: {**rows, point.name: added}}
        to.tasks[task.name] = replace(task, **changed)


def _wrong(to: Found, name: str, row: Any, kind: type[Row]) -> str | None:
    """Why a package's row cannot stand in a table, as what it does; or None."""
    if not isinstance(row, kind):
        return f"is no trainers.entries.{kind.__name__} but {row!r}"
    if is_path(name):
        return "has a colon in its name, as paths of code have"
    if not any(row.serves(task) for task in to.tasks):
        return f"is of no task there is; they are {', '.join(to.tasks)}"
    return problem(row) or code_problem(row)


def _signed(task: TaskEntry, package: str) -> TaskEntry:
    """A package's task, whose rows say whose they are."""

    def signed(rows: Mapping[str, Row]) -> dict[str, Row]:
        return {n: r if _is_almkds(r) else replace(r, origin=package) for n, r in rows.items()}

    changed: dict[str, Any] = {table: signed(getattr(task, table)) for table in ROW_GROUPS}
    return replace(task, **changed)


def _is_almkds(row: Row) -> bool:
    code = row.load.__module__ if isinstance(row, DatasetEntry) else row.implementation
    return code.startswith("trainers.")


def _open(task: TaskEntry) -> TaskEntry:
    """``task`` with tables in which code of the user's own is found by its path."""
    return replace(
        task,
        methods=Table(MethodEntry, task.name, task.methods),
        datasets=Table(DatasetEntry, task.name, task.datasets),
        networks=Table(NetworkEntry, task.name, task.networks),
    )


def _package(point: EntryPoint) -> str:
    """Name and version of the package that an entry point is of."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "a package"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


# A data set, a method or a network may be several tasks' under one name, each with its own row;
# which is meant, the task says.
TASKS: Mapping[str, TaskEntry]
# What is wrong with installed packages, and what was left out of the tables for it, if anything.
PROBLEMS: Sequence[str]
LEFT_OUT: Sequence[str]
TASKS, PROBLEMS, LEFT_OUT = found()


def tasks_with_dataset(name: str) -> tuple[str, ...]:
    """The tasks that have a data set of that name."""
    return tuple(task.name for task in TASKS.values() if name in task.datasets)


def tasks_with_method(name: str) -> tuple[str, ...]:
    """The tasks that have a method of that name."""
    return tuple(task.name for task in TASKS.values() if name in task.methods)


def tasks_with_network(name: str) -> tuple[str, ...]:
    """The tasks that have a network of that name."""
    return tuple(task.name for task in TASKS.values() if name in task.networks)

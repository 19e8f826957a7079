"""TASKS by name, and who brings what.

Free of torch, so that a spec can be checked without loading it. Installed packages add tasks by
entry points of the group `GROUP`, each naming a `trainers.entries.TaskEntry`.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points

from trainers.classification.entry import CLASSIFICATION
from trainers.entries import TaskEntry

GROUP = "almkd.tasks"
OWN = (CLASSIFICATION,)


def _found() -> tuple[dict[str, TaskEntry], list[str]]:
    """Every task by name; a line on each that cannot be had."""
    tasks, problems = {task.name: task for task in OWN}, []
    for point in entry_points(group=GROUP):
        where = f"the task {point.name} of the package {point.dist.name if point.dist else '?'}"
        try:
            task = point.load()
        except Exception as error:  # noqa: BLE001 - whatever the package does wrong
            problems.append(f"{where} cannot be loaded: {type(error).__name__}: {error}; mend it")
            continue
        if not isinstance(task, TaskEntry):
            problems.append(f"{where} is no trainers.entries.TaskEntry but {task!r}; mend it")
        elif task.name in tasks:
            problems.append(f"{where}: there is a task {task.name!r} already; uninstall one")
        else:
            tasks[task.name] = task
    return tasks, problems


# A data set, a method or a network may be several tasks' under one name, each with its own row;
# which is meant, the task says.
TASKS: Mapping[str, TaskEntry]
# What is wrong with installed tasks, if anything.
PROBLEMS: Sequence[str]
TASKS, PROBLEMS = _found()


def tasks_with_dataset(name: str) -> tuple[str, ...]:
    """The tasks that have a data set of that name."""
    return tuple(task.name for task in TASKS.values() if name in task.datasets)


def tasks_with_method(name: str) -> tuple[str, ...]:
    """The tasks that have a method of that name."""
    return tuple(task.name for task in TASKS.values() if name in task.methods)


def tasks_with_network(name: str) -> tuple[str, ...]:
    """The tasks that have a network of that name."""
    return tuple(task.name for task in TASKS.values() if name in task.networks)

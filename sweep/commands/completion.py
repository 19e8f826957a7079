"""What a shell offers after the tab key: names that can be had without loading much.

`almkd --install-completion` has the shell ask; commands and options it is told by Typer.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sweep.lock import was_run_in
from sweep.spec.presets import presets

if TYPE_CHECKING:
    from trainers.entries import TaskEntry

# Is set where a shell asks.
ASKED = "_ALMKD_COMPLETE"

TABLES: "Mapping[str, Callable[[TaskEntry], Mapping[str, object]]]" = {
    "methods": lambda task: task.methods,
    "datasets": lambda task: task.datasets,
    "networks": lambda task: task.networks,
}


def specs(incomplete: str) -> list[str]:
    """Presets, and YAML files in the directory that was begun and in those below it."""
    names = [name for name in presets() if name.startswith(incomplete)]
    return [*names, *sorted(_spec_files(incomplete))]


def sweeps(context: typer.Context, incomplete: str) -> list[str]:
    """The sweeps that were launched in the runs directory."""
    given = context.params.get("runs_dir") or os.environ.get("ALMKD_RUNS") or "runs"
    try:
        found = [path for path in Path(given).iterdir() if was_run_in(path)]
    except OSError:
        return []
    return sorted(path.name for path in found if path.name.startswith(incomplete))


def tasks(incomplete: str) -> list[str]:
    """The kinds of problem."""
    from trainers.registry import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


def rows(context: typer.Context, incomplete: str) -> list[str]:
    """What a table of every task has, or of the one that is named: that of the command's name."""
    return _names(str(context.info_name), context.params.get("task"), incomplete)


def methods(incomplete: str) -> list[str]:
    """The methods, as which rows are labelled that have no label of their own."""
    return _names("methods", None, incomplete)


def one_of(*values: str) -> Callable[[str], list[str]]:
    """A few fixed words."""

    def among(incomplete: str) -> list[str]:
        return [value for value in values if value.startswith(incomplete)]

    return among


def _names(table: str, task: str | None, incomplete: str) -> list[str]:
    from trainers.registry import TASKS

    owners = [TASKS[task]] if task and task in TASKS else list(TASKS.values())
    names = dict.fromkeys(name for owner in owners for name in TABLES[table](owner))
    return [name for name in names if name.startswith(incomplete)]


def _spec_files(incomplete: str) -> Iterator[str]:
    directory = incomplete.rpartition("/")[0] + "/" if "/" in incomplete else ""
    try:
        below = sorted(Path(directory or ".").iterdir())
    except OSError:
        return
    for path in below:
        shown = f"{directory}{path.name}"
        if path.name.startswith(".") or not shown.startswith(incomplete):
            continue
        if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
            yield from (f"{shown}/{file.name}" for file in path.iterdir() if _is_spec(file))
        elif _is_spec(path):
            yield shown


def _is_spec(path: Path) -> bool:
    return path.suffix in {".yaml", ".yml"} and path.is_file()

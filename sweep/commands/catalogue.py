"""What there is to choose from: tasks, methods, data sets, networks, presets, search spaces."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import typer

from sweep.commands import completion
from sweep.commands.printing import print_table
from sweep.errors import BadInput, unknown
from sweep.terminal import echo

FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        help="text, markdown or json.",
        autocompletion=completion.one_of("text", "markdown", "json"),
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option(
        "--task", metavar="TASK", help="Of one task only.", autocompletion=completion.tasks
    ),
]
TaskName = Annotated[
    str | None,
    typer.Argument(
        metavar="[TASK]",
        help="Its metrics, noise kinds and sets for light teachers instead.",
        autocompletion=completion.tasks,
    ),
]
Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME]",
        help="Every field of this one instead.",
        autocompletion=completion.rows,
    ),
]
Row = Mapping[str, str]


def tasks(name: TaskName = None, form: FormatOption = "text") -> None:
    """List the kinds of problem, and what each brings."""
    from sweep.catalogue import metric_rows, noise_rows, source_rows, task_rows

    task = _known(name, "TASK")
    if task is None:
        _print(task_rows(), form)
        return
    several = {"metrics": metric_rows(task), "noise kinds": noise_rows(task)}
    _print_several({**several, "light sets": source_rows(task)}, form)


def methods(name: Name = None, task: TaskOption = None, form: FormatOption = "text") -> None:
    """List the methods, or the hyperparameters of one."""
    from sweep.catalogue import method_rows

    _list("methods", "method", name, _known(task), method_rows, form)


def datasets(name: Name = None, task: TaskOption = None, form: FormatOption = "text") -> None:
    """List the data sets, or the options of one."""
    from sweep.catalogue import dataset_rows

    _list("datasets", "data set", name, _known(task), dataset_rows, form)


def networks(name: Name = None, task: TaskOption = None, form: FormatOption = "text") -> None:
    """List the networks that students and teachers can be, or the sizes of one."""
    from sweep.catalogue import network_rows

    _list("networks", "network", name, _known(task), network_rows, form)


def presets(form: FormatOption = "text") -> None:
    """List the sweeps that come with almkd: what each asks, its size, about how long it takes."""
    from sweep.catalogue import preset_rows

    _print(preset_rows(), form)


def spaces(task: TaskOption = None, form: FormatOption = "text") -> None:
    """List what each method searches by default, and where the default value comes from."""
    from sweep.catalogue import space_rows

    _print(space_rows(_known(task)), form)


def _list(
    table: str,
    what: str,
    name: str | None,
    task: str | None,
    rows: Callable[[str | None], list[Row]],
    form: str,
) -> None:
    from sweep.catalogue import fields_of, names_in
    from trainers.registry import TASKS

    if name is None:
        _print(rows(task), form)
        return
    owners = [TASKS[task]] if task else list(TASKS.values())
    known = [name for owner in owners for name in names_in(table, owner)]
    if name not in known:
        raise BadInput(unknown(what, name, known))
    _print(fields_of(table, name, task), form)


def _known(task: str | None, where: str = "--task") -> str | None:
    from trainers.registry import TASKS

    if task is not None and task not in TASKS:
        raise BadInput(f"{where}: {unknown('task', task, TASKS)}")
    return task


def _print(rows: Sequence[Row], form: str) -> None:
    _print_several({"": rows}, form)


def _print_several(tables: Mapping[str, Sequence[Row]], form: str) -> None:
    """Tables under their titles; in JSON a list, or a mapping of lists where they have titles."""
    if form not in _PRINTERS:
        raise BadInput(f"--format: {unknown('format', form, _PRINTERS)}")
    _PRINTERS[form](tables)


def _as_text(tables: Mapping[str, Sequence[Row]]) -> None:
    for number, (title, rows) in enumerate(tables.items()):
        if title:
            echo(f"{chr(10) if number else ''}{title}")
        if rows:
            columns = [column for column in rows[0] if any(row[column] for row in rows)]
            print_table(columns, [{column: row[column] for column in columns} for row in rows])
        else:
            echo("none")


def _as_markdown(tables: Mapping[str, Sequence[Row]]) -> None:
    from sweep.catalogue import to_markdown

    texts = [f"**{title}**\n\n{to_markdown(rows)}" if title else to_markdown(rows)
             for title, rows in tables.items()]  # fmt: skip
    echo("\n".join(texts), nl=False)


def _as_json(tables: Mapping[str, Sequence[Row]]) -> None:
    typer.echo(json.dumps(tables.get("", tables), indent=2, ensure_ascii=False))


_PRINTERS: Mapping[str, Callable[[Mapping[str, Sequence[Row]]], None]] = {
    "text": _as_text,
    "markdown": _as_markdown,
    "json": _as_json,
}

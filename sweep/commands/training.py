"""One training in the foreground."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.commands.options import (
    DEFAULT_RUNS,
    CodeOption,
    RunsOption,
    SetOption,
    SpecArgument,
    checked,
    read,
)
from sweep.errors import BadInput
from sweep.terminal import echo

if TYPE_CHECKING:
    from sweep.foreground import Teachers, Training
    from trainers.fields import Value
    from trainers.loop.cohort import Metrics

# What a number takes in the table of epochs, in characters; a longer name takes more.
WIDTH = 10


def train(  # noqa: PLR0913, PLR0917 - an option each
    spec: SpecArgument,
    cell: Annotated[
        str | None, typer.Option(metavar="CELL", help="Which one; a wrong name lists them.")
    ] = None,
    overrides: SetOption = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--value",
            metavar="NAME=VALUE",
            help="A hyperparameter, in place of its pin or default; may be repeated.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="By default that of the cell's first search.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the student.")] = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    allow_code: CodeOption = False,
) -> None:
    """Train one student of a sweep in this process, where a debugger works; writes nothing.

    Example: almkd train digits --cell symmetric-0.4-noisy/alm_kd --value meta_lr=100
    """
    from sweep.data_check import remarks
    from sweep.foreground import Teachers, Training, compute_as_workers_do, find_cell
    from sweep.inputs import load_data, load_given, refuse_missing_data
    from sweep.plan.content import fingerprints
    from sweep.plan.plan import Plan
    from sweep.spec.code_needed import check_code_is_allowed
    from trainers.loading import content_key

    changes = [*(overrides or ()), *([f"student.training.epochs={epochs}"] if epochs else ())]
    wanted = checked(read(spec, changes, allow_code))
    check_code_is_allowed(wanted, allow_code)
    plan = Plan(wanted)
    chosen = find_cell(plan, cell)
    first = plan.searches_of(chosen)[0].seed
    training = Training(plan, chosen, _values(values), first if seed is None else seed)
    refuse_missing_data(plan)
    compute_as_workers_do(wanted)
    datasets = load_data(plan)
    for remark in remarks(datasets):
        echo(remark, err=True)
    # Its teachers have what was read in their keys.
    training = replace(training, plan=Plan(wanted, fingerprints(wanted, datasets)))
    dataset = datasets[content_key(chosen.spec.data_settings())]
    teachers = Teachers(dataset, runs_dir / "teachers", load_given(plan, datasets))
    _gather(training, teachers)
    _train(training, teachers)


def _values(words: list[str] | None) -> "dict[str, Value]":
    """Hyperparameters as they were given: numbers where they are numbers, else words."""
    found: dict[str, Value] = {}
    for word in words or ():
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise BadInput(f"--value {word}: write it as name=value, e.g. --value lr=0.1")
        found[name] = _number(text)
    return found


def _number(text: str) -> "Value":
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _gather(training: "Training", teachers: "Teachers") -> None:
    """Have the teachers that the student reads, and what it starts from; where they come from, on
    standard error."""
    jobs = training.teachers
    for job in jobs:
        taken = teachers.take(job)
        if not taken:
            teachers.train(job)
        otherwise = "given, and not trained" if job.given else "trained, and not kept"
        whence = f"taken from {teachers.directory}" if taken else otherwise
        alike = [other for other in jobs if other.role == job.role]
        number = "" if job.is_start else f" {alike.index(job) + 1}/{len(alike)}"
        echo(f"{job.role}{number}, {job.key}: {whence}", err=True)


def _train(training: "Training", teachers: "Teachers") -> None:
    """A line for each epoch, and one on the epoch that counts."""
    from sweep.foreground import train_student

    table = _Table()
    outcome = train_student(training, teachers, table.add)
    best = ", ".join(
        f"{name.removeprefix('validation_')} {value:.4g}"
        for name, value in outcome.best.items()
        if name.startswith("validation_")
    )
    echo(f"validation at epoch {outcome.best_epoch}, which counts: {best}")


class _Table:
    """Epochs below the names of what is measured, which stand anew where there is a new one."""

    def __init__(self) -> None:
        self._columns: list[str] = []

    def add(self, epoch: int, measured: "Metrics") -> None:
        """A line; empty where an epoch did not measure what another did."""
        new = [name for name in measured if name not in self._columns]
        if new:
            self._columns += new
            echo("  ".join(["epoch", *(f"{name:>{WIDTH}}" for name in self._columns)]))
        cells = [
            f"{measured[name]:>{max(WIDTH, len(name))}.4g}"
            if name in measured
            else " " * max(WIDTH, len(name))
            for name in self._columns
        ]
        echo("  ".join([f"{epoch:5d}", *cells]).rstrip())

"""The command line. Exit codes: 0 done, 1 the sweep failed, 2 bad input, 130 interrupted."""

import atexit
import errno
import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

import typer

from sweep.commands import (
    catalogue,
    completion,
    disk,
    first_steps,
    launching,
    monitoring,
    results,
    slurm,
    students,
    training,
)
from sweep.commands.launching import INTERRUPTED
from sweep.errors import BadInput, SweepFailed, shortened
from sweep.garbage_collection import collect_seldom
from sweep.secrets import leave_no_cores, masked, refuse_in_arguments, take_up_files
from sweep.terminal import echo, printable

# In the order of the help.
COMMANDS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("new", first_steps.new),
    ("fetch", first_steps.fetch),
    ("launch", launching.launch),
    ("slurm", slurm.slurm),
    ("plan", launching.plan),
    ("check", launching.check),
    ("train", training.train),
    ("list", monitoring.list_sweeps),
    ("status", monitoring.status),
    ("watch", monitoring.watch),
    ("logs", monitoring.logs),
    ("stop", monitoring.stop),
    ("compare", results.compare),
    ("export", results.export),
    ("students", students.students),
    ("predict", students.predict),
    ("ui", results.ui),
    ("du", disk.du),
    ("gc", disk.gc),
    ("rm", disk.rm),
    ("presets", catalogue.presets),
    ("tasks", catalogue.tasks),
    ("methods", catalogue.methods),
    ("datasets", catalogue.datasets),
    ("networks", catalogue.networks),
    ("spaces", catalogue.spaces),
)


def main() -> NoReturn:
    """Entry point of the command."""
    collect_seldom()
    # Memory goes back as a whole: searching it for garbage first takes a launch more than a second.
    atexit.register(gc.freeze)
    try:
        _say_begun(sys.argv[1:])
        leave_no_cores()
        refuse_in_arguments(sys.argv[1:])
        take_up_files()
        _refuse_problems()
        if completion.ASKED not in os.environ:
            _name_left_out()
        code = _app()(args=sys.argv[1:] or ["--help"], prog_name="almkd", standalone_mode=False)
    except BadInput as error:
        _fail(str(error), 2)
    except SweepFailed as error:
        _fail(str(error), 1)
    except OSError as error:
        _fail_of_system(error)
    except typer.Abort:
        code = INTERRUPTED
    except typer.TyperException as error:
        _fail(error.format_message(), 2)
    # Typer makes of a KeyboardInterrupt the exit code that shells have for it.
    if code == INTERRUPTED:
        _fail("interrupted; the same command goes on from here", INTERRUPTED)
    sys.exit(code or 0)


def _app() -> typer.Typer:
    app = typer.Typer(
        name="almkd",
        help="Does ALM-KD beat the best fixed mix of label and teacher on your data? "
        "Sweeps that tell.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for name, command in COMMANDS:
        app.command(name)(command)
    return app


def _say_begun(arguments: Sequence[str]) -> None:
    """Tell who waits at a terminal that a launch is under way: it loads before it has more to say.

    Where standard error is a file, it holds what went wrong and nothing else.
    """
    if arguments[:1] == ["launch"] and "--help" not in arguments and sys.stderr.isatty():
        echo("reading the spec", err=True)


def _refuse_problems() -> None:
    """BadInput where an installed package brings a task that cannot be had, or a name that is
    taken."""
    from trainers.registry import PROBLEMS

    if PROBLEMS:
        raise BadInput("\n".join(PROBLEMS))


def _name_left_out() -> None:
    """What installed packages bring that cannot be had, on standard error: the rest works."""
    from trainers.registry import LEFT_OUT

    for line in LEFT_OUT:
        echo(f"almkd: {line}", err=True)


def _fail_of_system(error: OSError) -> NoReturn:
    """What the system refuses; an error of any other kind is raised again."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        _fail(f"{error}; make room, and the same command goes on from here", 1)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        _fail(
            f"{error.filename or 'a file'}: {error.strerror}; see whose it is and what it allows", 2
        )
    raise error


def _fail(message: str, code: int) -> NoReturn:
    for line in shortened(printable(message)).splitlines():
        with suppress(OSError):  # a terminal that was closed
            echo(f"almkd: {masked(line)}", err=True)
    sys.exit(code)

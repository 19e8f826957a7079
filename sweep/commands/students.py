"""The networks that a sweep left: written to files, used."""

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands import completion
from sweep.commands.options import (
    DEFAULT_RUNS,
    CodeOption,
    RunsOption,
    SweepArgument,
    TrackingOption,
    places,
)
from sweep.errors import BadInput, unknown
from sweep.terminal import echo


def students(  # noqa: PLR0913, PLR0917 - an option each
    sweep: SweepArgument,
    out: Annotated[Path, typer.Option(help="A directory; each student gets its own below it.")],
    methods: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            metavar="LABEL",
            help="Of that row alone; may be repeated.",
            autocompletion=completion.methods,
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            "--condition",
            metavar="NAME=VALUE",
            help="Only of conditions with that value of an axis, or of noise_kind, noise_rate, "
            "teacher_labels; may be repeated.",
        ),
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="Of that confirm seed; may be repeated.")
    ] = None,
    best: Annotated[
        bool, typer.Option("--best", help="Of each cell the one with the best validation value.")
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="state-dict; or beside it torch-export or onnx, which run without almkd.",
            autocompletion=completion.one_of("state-dict", "torch-export", "onnx"),
        ),
    ] = "state-dict",
    register: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Have the best of the one cell that is chosen in MLflow's registry, too.",
        ),
    ] = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    allow_code: CodeOption = False,
) -> None:
    """Write trained students of a sweep: weights as safetensors, and what they are as JSON.

    A student that was not kept is trained again. Prints the directories; in Python
    trainers.load_student(DIRECTORY) gives a torch.nn.Module.

    Example: almkd students digits --method alm_kd --where noise_rate=0.4 --best --out students
    """
    from sweep.compare.confirm_runs import Wanted, select
    from sweep.places import open_store
    from sweep.students import STATE_DICT, Students
    from trainers.student_exports import EXPORTS

    known = (STATE_DICT, *EXPORTS)
    if form not in known:
        raise BadInput(f"--format: {unknown('format', form, known)}")
    kept = places(runs_dir, tracking_uri)
    store = open_store(kept, must_exist=True)
    wanted = Wanted(tuple(methods or ()), tuple(where or ()), tuple(seeds or ()), best)
    runs = select(store.record(sweep), wanted)

    if register is not None:
        from sweep.best_students import register as run_register

        version = run_register(sweep, runs, store, register)
        echo(f"registered as version {version} of {register}", err=True)

    def tell(line: str) -> None:
        echo(line, err=True)

    for place in Students(sweep, store, kept, tell, allow_code).write(runs, out, form):
        echo(place)


def predict(  # noqa: PLR0913, PLR0917 - an option each
    student: Annotated[
        Path, typer.Argument(metavar="DIR", help="A directory that almkd students wrote.")
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            "--data",
            metavar="FILE",
            help="A table (.csv, .tsv, .jsonl, .parquet), arrays (.npy, .npz), a picture or a "
            "folder of pictures; may be repeated.",
        ),
    ],
    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="More of them, as --data *.png gives."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="csv, parquet, json, markdown, latex or html.")
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="data.NAME=VALUE",
            help="How a text is written: data.delimiter, data.decimal, data.encoding; "
            "data.dataset for the kind of a table; may be repeated.",
        ),
    ] = None,
    allow_code: CodeOption = False,
) -> None:
    """Write what a trained student says of raw inputs: a prediction for each of them.

    Columns of a table are found by their names, and those that the student was not trained on, such
    as labels, are ignored. Pictures are resized to the student's size. Needs no sweep.

    Example: almkd predict students/symmetric-0.4-noisy/alm_kd/seed-7 --data new.csv
    """
    from sweep.api import let_everyone_import_from_here
    from sweep.predicting import Prediction
    from sweep.predicting import predict as run

    if allow_code:
        let_everyone_import_from_here()
    files = (*data, *(more or ()))
    wanted = Prediction(student, files, form, dict(map(_option, overrides or ())), allow_code)

    def tell(line: str) -> None:
        echo(line, err=True)

    rows = run(wanted, out, tell)
    if out is not None:
        echo(f"wrote {rows} rows to {out}", err=True)


def _option(override: str) -> tuple[str, str]:
    """An option's name and value."""
    path, equals, value = override.partition("=")
    place, _, name = path.partition(".")
    if not equals or place != "data" or not name:
        raise BadInput(f"--set {override}: write it as data.NAME=VALUE, e.g. --set data.decimal=,")
    return name, value

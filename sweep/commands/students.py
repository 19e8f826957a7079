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
    from sweep.run import open_store
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
        typer.echo(f"registered as version {version} of {register}", err=True)

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    for place in Students(sweep, store, kept, tell, allow_code).write(runs, out, form):
        typer.echo(place)

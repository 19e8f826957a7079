"""What a sweep showed: compared again, exported, looked at in the dashboard."""

import errno
import ipaddress
import os
import socket
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from sweep.commands import completion
from sweep.commands.options import (
    DEFAULT_RUNS,
    RunsOption,
    TrackingOption,
    places,
)
from sweep.errors import BadInput
from sweep.secrets import masked
from sweep.showing import new_console, show
from sweep.terminal import echo

# A dashboard on one's own machine needs neither MLflow's queues for language models, in seven
# processes, nor four that answer: to start all takes 40 s of computing. What is set stays.
FOR_ONE_READER = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_WORKERS": "2"}


def compare(
    sweeps: Annotated[
        list[str],
        typer.Argument(
            metavar="SWEEP...",
            help="A sweep, or several in one table.",
            autocompletion=completion.sweeps,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Of several: a directory; by default RUNS/A+B/results."),
    ] = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
) -> None:
    """Make statistics, tables, figures and report of a sweep again, from its runs; of several
    sweeps that agree in data, seeds and questions, one table of all."""
    from sweep.compare.figures.saver import FigureSaver
    from sweep.places import open_store
    from sweep.results import compare as run
    from sweep.results import compare_several

    kept = places(runs_dir, tracking_uri)
    if out is not None and len(sweeps) == 1:
        raise BadInput(
            f"--out {out}: the results of one sweep are kept with it, in {kept.results(sweeps[0])};"
            " drop it, or name several sweeps"
        )
    with FigureSaver() as saver:
        store = open_store(kept, must_exist=True)
        store.move_here()
        if len(sweeps) == 1:
            shown = run(sweeps[0], kept, store, saver)
        else:
            place = out or kept.results("+".join(sweeps))
            shown = compare_several(sweeps, place, store, saver)
    show(new_console(), shown, kept.runs_dir)


def export(  # noqa: PLR0913, PLR0917 - an option each
    sweeps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SWEEP...]",
            help="A sweep, or several in one comparison.",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="SWEEP",
            help="Another sweep, below it; may be repeated.",
            autocompletion=completion.sweeps,
        ),
    ] = None,
    table: Annotated[
        str,
        typer.Option(
            help="comparison, trials, cost, curves or predictions.",
            autocompletion=completion.one_of(
                "comparison", "trials", "cost", "curves", "predictions"
            ),
        ),
    ] = "comparison",
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="csv, parquet, json, markdown, latex or html.",
            autocompletion=completion.one_of("csv", "parquet", "json", "markdown", "latex", "html"),
        ),
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="Methods by conditions, as papers print them.")
    ] = False,
    std: Annotated[
        bool, typer.Option("--std/--interval", help="Beside a mean in a wide table.")
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compare another test metric than the one that was tested: no p, nothing called.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="Only conditions with that value of an axis, or of noise_kind, noise_rate, "
            "teacher_labels; may be repeated.",
        ),
    ] = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
) -> None:
    """Write a table of one or several sweeps, read back from the tracking store.

    Example: almkd export digits --table curves --format parquet --out curves.parquet
    """
    from sweep.exporting import Excerpt
    from sweep.exporting import export as run

    together = len(sweeps or ()) > 1
    if together and more:
        raise BadInput(
            f"--sweep {more[0]}: would stand below one table of {', '.join(sweeps or ())}; name "
            "all of them in one way"
        )
    spread: Literal["std", "interval"] = "std" if std else "interval"
    excerpt = Excerpt(
        (*(sweeps or ()), *(more or ())), table, form, wide, spread, metric, tuple(where or ()),
        together,
    )  # fmt: skip
    rows = run(excerpt, places(runs_dir, tracking_uri), out, partial(echo, err=True))
    if out is not None:
        echo(f"wrote {rows} rows to {out}", err=True)


def ui(
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    host: Annotated[str, typer.Option(help="An address of this machine's own.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow dashboard over the store, on this machine only.

    From elsewhere: ssh -L 5000:127.0.0.1:5000 THIS-MACHINE, then open http://127.0.0.1:5000 there.
    """
    from sweep.compare.origin import FOR_TRAINING
    from sweep.places import open_store

    _check_loopback(host)
    store = open_store(places(runs_dir, tracking_uri), must_exist=True)
    store.move_here()
    _check_port(host, port)
    page = f"http://{host}:{port}/#/experiments?{FOR_TRAINING}"
    echo(f"{page} shows {masked(store.uri)}; Ctrl-C ends it", err=True)
    # Not as an argument: the address of a database may hold its password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store.uri
    for name, value in FOR_ONE_READER.items():
        os.environ.setdefault(name, value)
    command = [sys.executable, "-m", "mlflow", "ui"]
    os.execv(sys.executable, [*command, "--host", host, "--port", str(port)])


def _check_port(host: str, port: int) -> None:
    """BadInput unless the dashboard can be served there: MLflow itself says so too late."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As servers have it: a port that was in use a moment ago is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        problem = "is in use" if in_use else f"cannot be had ({error.strerror})"
        raise BadInput(f"--port {port}: {problem}; name another") from None


def _check_loopback(host: str) -> None:
    """BadInput unless only this machine can reach ``host``: the dashboard asks for no password."""
    if host == "localhost":
        return
    try:
        inside = ipaddress.ip_address(host).is_loopback
    except ValueError:
        inside = False
    if not inside:
        raise BadInput(
            f"--host {host}: the dashboard asks for no password, so it is served to this machine "
            "alone; reach it through ssh -L, or run an MLflow server with authentication "
            "(mlflow server --app-name basic-auth) and name it with --tracking-uri"
        )

"""The command line. Exit codes: 0 done, 1 the sweep failed, 2 bad input, 130 interrupted."""

import errno
import ipaddress
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from sweep.errors import BadInput, SweepFailed
from sweep.secrets import masked, refuse_in_arguments

if TYPE_CHECKING:
    from sweep.run import Comparison, Places
    from sweep.spec import SweepSpec

app = typer.Typer(
    name="almkd",
    help="Does ALM-KD beat the best fixed mix of label and teacher on your data? Sweeps that tell.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# Rich takes 80 columns where the output is no terminal; the table needs these.
WIDTH_WITHOUT_TERMINAL = 120
INTERRUPTED = 130

SpecArgument = Annotated[
    str, typer.Argument(metavar="SPEC", help="A YAML file, or the name of a preset such as digits.")
]
SweepArgument = Annotated[str, typer.Argument(metavar="SWEEP", help="The name of a sweep.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Change a field of the spec; may be repeated."
    ),
]
RunsOption = Annotated[
    Path,
    typer.Option("--runs-dir", envvar="ALMKD_RUNS", help="Where sweeps are kept on this machine."),
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow's tracking store, if not the one in the runs directory.",
    ),
]
DEFAULT_RUNS = Path("runs")


@app.command()
def launch(  # noqa: PLR0913, PLR0917 - an option each
    spec: SpecArgument,
    overrides: SetOption = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster to run on; by default Ray starts here.")
    ] = None,
    fork: Annotated[
        str | None, typer.Option(metavar="NAME", help="Launch it as a sweep of this name.")
    ] = None,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Let the spec load Python code of your own.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say at the end where the time went.")
    ] = False,
) -> None:
    """Run a sweep, or go on with it where it stopped, and show the comparison.

    Example: almkd launch digits --set name=more-seeds --set confirm.seeds=20
    """
    from sweep.run import launch as run
    from sweep.spec import check_code_is_allowed

    read = _read(spec, [*(overrides or ()), *([f"name={fork}"] if fork else ())])
    check_code_is_allowed(read, allow_code)
    if allow_code:
        _let_everyone_import_from_here()
    signal.signal(signal.SIGTERM, _raise_interrupt)
    console = _console()
    shown = run(read, _places(runs_dir, tracking_uri), console, address, profile)
    _show(console, shown)


@app.command()
def plan(
    spec: SpecArgument,
    overrides: SetOption = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
) -> None:
    """Show what would run, and what its seeds can show at best; runs nothing.

    Where the sweep has run already, what difference its seeds could show is told from the spread
    seen so far.
    """
    from sweep.plan_text import describe
    from sweep.run import open_store, seen_so_far

    read, places = _checked(_read(spec, overrides)), _places(runs_dir, tracking_uri)
    has_run = tracking_uri or (places.sweep(read.name).exists() and places.has_store)
    seen = seen_so_far(read.name, open_store(places)) if has_run else None
    for line in describe(read, seen):
        typer.echo(line)


@app.command()
def check(spec: SpecArgument, overrides: SetOption = None) -> None:
    """Check a spec and say what is wrong with it, if anything."""
    read = _checked(_read(spec, overrides))
    typer.echo(f"{read.name}: nothing wrong")


@app.command("list")
def list_sweeps(runs_dir: RunsOption = DEFAULT_RUNS, tracking_uri: TrackingOption = None) -> None:
    """List the sweeps of a store."""
    from sweep.run import open_store

    store = open_store(_places(runs_dir, tracking_uri), must_exist=True)
    _print_table(["sweep", "state", "started", "description"], store.sweeps())


@app.command()
def compare(
    sweep: SweepArgument, runs_dir: RunsOption = DEFAULT_RUNS, tracking_uri: TrackingOption = None
) -> None:
    """Make statistics, tables, figures and report of a sweep again, from its runs."""
    from sweep.run import compare as run
    from sweep.run import open_store

    places = _places(runs_dir, tracking_uri)
    _show(_console(), run(sweep, places, open_store(places, must_exist=True)))


@app.command()
def export(  # noqa: PLR0913, PLR0917 - an option each
    sweep: Annotated[
        str | None, typer.Argument(metavar="[SWEEP]", help="The name of a sweep.")
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option("--sweep", metavar="SWEEP", help="Another sweep, below it; may be repeated."),
    ] = None,
    table: Annotated[str, typer.Option(help="comparison, trials or curves.")] = "comparison",
    form: Annotated[
        str, typer.Option("--format", help="csv, parquet, json, markdown, latex or html.")
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="A file; by default standard output.")] = None,
    wide: Annotated[
        bool, typer.Option("--wide", help="Methods by conditions, as papers print them.")
    ] = False,
    std: Annotated[
        bool, typer.Option("--std/--interval", help="Beside a mean in a wide table.")
    ] = False,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
) -> None:
    """Write a table of one or several sweeps, read back from the tracking store.

    Example: almkd export digits --table curves --format parquet --out curves.parquet
    """
    from sweep.exporting import Excerpt
    from sweep.exporting import export as run

    sweeps = [*([sweep] if sweep else []), *(more or [])]
    excerpt = Excerpt(tuple(sweeps), table, form, wide, "std" if std else "interval")
    rows = run(excerpt, _places(runs_dir, tracking_uri), out)
    if out is not None:
        typer.echo(f"wrote {rows} rows to {out}", err=True)


@app.command()
def ui(
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    host: Annotated[str, typer.Option(help="An address of this machine's own.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Open the MLflow dashboard over the store, on this machine only.

    From elsewhere: ssh -L 5000:127.0.0.1:5000 THIS-MACHINE, then open http://127.0.0.1:5000 there.
    """
    from sweep.run import open_store

    _check_loopback(host)
    store = open_store(_places(runs_dir, tracking_uri), must_exist=True)
    typer.echo(f"http://{host}:{port} shows {masked(store.uri)}; Ctrl-C ends it", err=True)
    # Not as an argument: the address of a database may hold its password.
    os.environ["MLFLOW_BACKEND_STORE_URI"] = store.uri
    command = [sys.executable, "-m", "mlflow", "ui"]
    os.execv(sys.executable, [*command, "--host", host, "--port", str(port)])


@app.command()
def methods() -> None:
    """List the methods, with what each searches or can have pinned."""
    from trainers.registry import METHODS

    rows = [
        {
            "method": name,
            "what it does": entry.summary,
            "hyperparameters": ", ".join(h.name for h in entry.hyperparameters),
            "source": entry.source,
        }
        for name, entry in METHODS.items()
    ]
    _print_table(["method", "what it does", "hyperparameters", "source"], rows)


@app.command()
def datasets() -> None:
    """List the data sets."""
    from trainers.data.datasets import DATASETS

    rows = [
        {"data set": name, "what it is": entry.summary, "source": entry.source}
        for name, entry in DATASETS.items()
    ]
    _print_table(["data set", "what it is", "source"], rows)


@app.command()
def networks() -> None:
    """List the networks that students and teachers can be."""
    from trainers.networks import NETWORKS

    rows = [
        {"network": name, "what it is": network.summary, "source": network.source}
        for name, network in NETWORKS.items()
    ]
    _print_table(["network", "what it is", "source"], rows)


@app.command()
def spaces() -> None:
    """List what each method searches by default, and where the default value comes from."""
    from search_spaces.defaults import OWN, SHARED
    from trainers.registry import METHODS

    def row(method: str, name: str, domain: object) -> dict[str, str]:
        owners = [method] if method in METHODS else METHODS
        known = [h for owner in owners for h in METHODS[owner].hyperparameters if h.name == name]
        return {
            "method": method,
            "hyperparameter": name,
            "domain": str(domain),
            "default": str(known[0].default),
            "source of the default": known[0].source,
        }

    rows = [
        row(method, name, domain)
        for method, space in {"(shared)": SHARED, **OWN}.items()
        for name, domain in space.items()
    ]
    columns = ["method", "hyperparameter", "domain", "default", "source of the default"]
    _print_table(columns, rows)


def main() -> NoReturn:
    """Entry point of the command."""
    try:
        refuse_in_arguments(sys.argv[1:])
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except BadInput as error:
        _fail(str(error), 2)
    except SweepFailed as error:
        _fail(str(error), 1)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _fail(f"{error}; make room, and the same command goes on from here", 1)
    except typer.Abort:
        code = INTERRUPTED
    except typer.TyperException as error:
        _fail(error.format_message(), 2)
    # Typer makes of a KeyboardInterrupt the exit code that shells have for it.
    if code == INTERRUPTED:
        _fail("interrupted; the same command goes on from here", INTERRUPTED)
    sys.exit(code or 0)


def _let_everyone_import_from_here() -> None:
    """Have this process, and those that it starts, find modules in the current directory."""
    here, before = os.getcwd(), os.environ.get("PYTHONPATH")
    sys.path.insert(0, here)
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *([before] if before else [])])


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


def _fail(message: str, code: int) -> NoReturn:
    for line in message.splitlines():
        typer.echo(f"almkd: {masked(line)}", err=True)
    sys.exit(code)


def _raise_interrupt(signum: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _read(spec: str, overrides: list[str] | None) -> "SweepSpec":
    from sweep.spec_reader import read_spec

    return read_spec(spec, overrides or ())


def _checked(spec: "SweepSpec") -> "SweepSpec":
    from sweep.adapters.optuna_rules import check_rules
    from sweep.plan import Plan

    check_rules(spec)
    Plan(spec)
    return spec


def _places(runs_dir: Path, tracking_uri: str | None) -> "Places":
    from sweep.run import Places

    return Places(runs_dir, tracking_uri)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH_WITHOUT_TERMINAL)


def _show(console: Console, shown: "Comparison") -> None:
    from sweep.compare.answer import answer
    from sweep.compare.tables import to_rich

    console.print(to_rich(shown.table, shown.record))
    for line in answer(shown.table, shown.record):
        console.print(line, highlight=False)
    typer.echo("")
    typer.echo(f"wrote {shown.report} and {shown.others} files beside it")
    typer.echo(f"almkd ui --runs-dir {shown.directory.parent.parent} shows every run")


def _print_table(columns: list[str], rows: list[dict[str, str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[str(row[column]) for column in columns])
    _console().print(table)

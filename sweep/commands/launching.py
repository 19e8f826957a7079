"""Launch, plan and check a spec."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Context

from sweep.carried_files import find_in
from sweep.commands.options import (
    DEFAULT_RUNS,
    CodeOption,
    RunsOption,
    SetOption,
    SpecArgument,
    TrackingOption,
    checked,
    is_client,
    is_http,
    is_in_a_job,
    needs_cluster_packages,
    places,
    read,
)
from sweep.commands.snapshot import jobs_of
from sweep.commands.then import then
from sweep.errors import BadInput, SweepFailed, shortened, unknown
from sweep.showing import new_console
from sweep.terminal import echo

if TYPE_CHECKING:
    from sweep.adapters.ray.jobs import Jobs
    from sweep.compare.records import SweepRecord
    from sweep.spec.spec import SweepSpec

# As shells have it.
INTERRUPTED = 130
# When an interrupt that was lost is raised once more: a destructor is over by then. Seconds.
HEARD_AGAIN_AFTER = 0.1
# The file of frames that hold the locks of imports.
IMPORT_SYSTEM = "<frozen importlib._bootstrap>"


def launch(  # noqa: PLR0913, PLR0917 - an option each
    context: Context,
    spec: SpecArgument,
    overrides: SetOption = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    address: Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster to run on: http://HEAD:8265 submits to it from any machine; "
            "ray://HEAD:10001 runs on it for as long as this command does; auto or HOST:PORT joins "
            "it from one of its nodes. By default Ray starts here."
        ),
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="After submitting to http://…, follow the sweep to its end, as all others do.",
        ),
    ] = False,
    fork: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Launch it as a sweep of this name, which takes over what the sweep of the "
            "spec's own name has trained of the very same.",
        ),
    ] = None,
    taken_from: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="SWEEP", help="With --fork: take over from this sweep instead."
        ),
    ] = None,
    allow_code: CodeOption = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say at the end where the time went.")
    ] = False,
    stop_after: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="End the searches after e.g. 2h or 30m of this launch, all with as many trials; "
            "confirm and the comparison follow.",
        ),
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke",
            help="See whether it runs: each cell once, one epoch, one seed; keeps nothing.",
        ),
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(
            "--then",
            metavar="CMD",
            help="A command for sh that runs when the launch is over, however it ended; on the "
            "cluster's head where that runs the sweep. Its environment has ALMKD_SWEEP, "
            "ALMKD_STATE (complete, failed, interrupted) and, if complete, ALMKD_TABLE and "
            "ALMKD_REPORT, the paths of comparison.csv and report.html. That it fails is told; "
            "the exit code is that of the launch.",
        ),
    ] = None,
) -> None:
    """Run a sweep, or go on with it where it stopped, and show the comparison.

    Example: almkd launch digits --set name=more-seeds --set confirm.seeds=20

    In single quotes your shell leaves --then as it is, and the variables are read at the end:

    almkd launch digits --then './mail.sh "$ALMKD_STATE" "$ALMKD_REPORT"'
    """
    from sweep.api import run
    from sweep.spec.code_needed import check_code_is_allowed

    on_head = bool(address and not smoke and (is_http(address) or is_client(address)))
    wanted = read(spec, overrides, allow_code, files_elsewhere=on_head)
    source = (taken_from or wanted.name) if fork else None
    if fork:
        named = [*(overrides or ()), f"name={fork}"]
        wanted = read(spec, named, allow_code, files_elsewhere=on_head)
    elif taken_from:
        raise BadInput("--from: is of --fork; name the new sweep with --fork NAME")
    check_code_is_allowed(wanted, allow_code)
    seconds = _seconds_in(stop_after)
    if smoke:
        _smoke(wanted, address, after)
        return
    there = [
        *(["--fork", fork, "--from", source] if fork and source else []),
        *(["--profile"] if profile else []),
        *(["--stop-after", stop_after] if stop_after is not None else []),
        *(["--then", after] if after else []),
    ]
    if address and is_http(address):
        _refuse_places_of_here(context)
        _submit(wanted, address, wait, there)
        return
    if address and is_client(address):
        _refuse_places_of_here(context)
        sys.exit(_attend(wanted, address, there))
    if is_in_a_job():
        find_in(Path.cwd())
        _move_to(runs_dir)
    kept = places(runs_dir, tracking_uri)
    with then(after, wanted.name, kept.results(wanted.name)):
        _end_on_signals()
        run(wanted, kept, new_console(), address, profile, seconds, source)


def plan(  # noqa: PLR0913, PLR0917 - an option each
    spec: SpecArgument,
    overrides: SetOption = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    allow_code: CodeOption = False,
    forecast: Annotated[
        bool,
        typer.Option(
            help="Say how long the sweep will take: some of it is trained for a moment, to be "
            "timed, unless its runs on record tell. Takes seconds, a minute where training is slow."
        ),
    ] = True,
    slots: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Plan for N cohorts at once, on machines like this one; by default as many as "
            "this one trains.",
        ),
    ] = None,
) -> None:
    """Show what would run, what its seeds can show at best, and how long it takes; keeps nothing.

    Where the sweep has run already, what difference its seeds could show is told from the spread
    seen so far, and the time from what its runs took.
    """
    from sweep.commands.plan_text import describe
    from sweep.places import open_store
    from sweep.results import seen_so_far

    if slots is not None and slots < 1:
        raise BadInput(f"--slots: {slots} cohorts train nothing; give 1 or more")
    wanted, kept = checked(read(spec, overrides, allow_code)), places(runs_dir, tracking_uri)
    has_run = tracking_uri or (kept.sweep(wanted.name).exists() and kept.has_store)
    seen = seen_so_far(wanted.name, open_store(kept, must_exist=True)) if has_run else None
    for line in describe(wanted, seen, slots):
        echo(line)
    if forecast:
        echo(f"forecast    {_forecast(wanted, slots, seen, allow_code)}")


def _forecast(
    spec: "SweepSpec", slots: int | None, seen: "SweepRecord | None", allow_code: bool
) -> str:
    """How long a sweep will take, in words; or why that cannot be told."""
    from sweep.forecast import words
    from sweep.forecast.forecast import forecast
    from sweep.spec.code_needed import check_code_is_allowed
    from sweep.terminal import Terminal

    try:
        check_code_is_allowed(spec, allow_code)
        with Terminal(stderr=True).status("looking at what is to be trained") as shown:
            return words.line(forecast(spec, slots, seen, shown.update))
    except BadInput as error:
        return f"none: {error}"


def check(
    spec: SpecArgument,
    overrides: SetOption = None,
    data: Annotated[
        bool,
        typer.Option(
            "--data",
            help="Read the data, too, and say what there is and what may be wrong with it.",
        ),
    ] = False,
    form: Annotated[
        str | None, typer.Option("--format", help="With --data: text (by default) or json.")
    ] = None,
    allow_code: CodeOption = False,
) -> None:
    """Check a spec and say what is wrong with it, if anything.

    Example: almkd check mine.yaml --data
    """
    if form and not data:
        raise BadInput(f"--format {form}: is of --data; give that too, or leave it out")
    if form not in (None, "text", "json"):
        raise BadInput(f"--format: {unknown('format', form, ('text', 'json'))}")
    wanted = checked(read(spec, overrides, allow_code))
    if not data:
        echo(f"{wanted.name}: nothing wrong")
        return
    _check_data(wanted, allow_code, as_json=form == "json")


def _check_data(spec: "SweepSpec", allow_code: bool, as_json: bool) -> None:
    """Read the data of a sweep and print what was found; BadInput where it cannot be used."""
    from sweep import data_check
    from sweep.inputs import load_data, refuse_missing_data
    from sweep.plan.plan import Plan
    from sweep.spec.code_needed import check_code_is_allowed

    check_code_is_allowed(spec, allow_code)
    plan = Plan(spec)
    refuse_missing_data(plan)
    found = data_check.checked(plan, load_data(plan))
    if as_json:
        typer.echo(json.dumps([one.as_data() for one in found], indent=2, ensure_ascii=False))
        return
    for line in data_check.as_text(spec.name, found):
        echo(shortened(line))


def _smoke(spec: "SweepSpec", address: str | None, after: str | None) -> None:
    """Run every cell once and say so; SweepFailed, naming each cell that did not run and why."""
    from sweep.plan.plan import Plan
    from sweep.smoke import smoke

    if address:
        raise BadInput(f"--smoke: runs on this machine alone; leave out --address {address}")
    if after:
        raise BadInput(
            "--then: --smoke keeps nothing that a command could use; leave one of them out"
        )
    checked(spec)
    _end_on_signals()
    cells = len(Plan(spec).cells)
    echo(f"{spec.name}: {cells} cells, one trial, one seed, an epoch or two", err=True)
    failed = smoke(spec)
    if failed:
        raise SweepFailed("\n".join(f"{spec.name}: {f.cell}: {f.reason}" for f in failed))
    echo(f"{spec.name}: all {cells} cells run; nothing was kept")


def _seconds_in(stop_after: str | None) -> float | None:
    """What --stop-after allows; BadInput where that is no time."""
    from sweep.spec.durations import seconds_in

    try:
        return seconds_in(stop_after) if stop_after is not None else None
    except ValueError as error:
        raise BadInput(f"--stop-after: {error}") from None


def _submit(spec: "SweepSpec", address: str, wait: bool, options: Sequence[str]) -> None:
    """Hand a sweep to a cluster, as a job of its own; SystemExit with its code if waited for.

    ``options``: of the launch there.
    """
    checked(spec)
    jobs = jobs_of(address)
    job = jobs.submit(spec, options)
    echo(f"{spec.name}: submitted to {address} as job {job}")
    if wait:
        sys.exit(_follow(jobs, job))
    echo(f"almkd watch {spec.name} --address {address} shows how far it is")
    echo(f"almkd logs {spec.name} --address {address} --follow shows what it prints")
    echo(f"almkd stop {spec.name} --address {address} ends it; the same launch goes on")


def _follow(jobs: "Jobs", job: str) -> int:
    """Print what a job prints; its exit code, or that of who stops looking."""
    try:
        for part in jobs.follow(job):
            echo(part, nl=False)
        return jobs.exit_code(job)
    except KeyboardInterrupt:
        echo(f"almkd: no longer followed; job {job} goes on", err=True)
        return INTERRUPTED


def _attend(spec: "SweepSpec", address: str, options: Sequence[str]) -> int:
    """Run a sweep through Ray Client, and print what it prints; its exit code."""
    with needs_cluster_packages(address):
        from sweep.adapters.ray.client import attend

    checked(spec)
    _end_on_signals()
    return attend(address, spec, options, _print_as_it_came)


def _print_as_it_came(printed: tuple[bytes, bytes]) -> None:
    """Standard output and standard error of a launch elsewhere, on those of this process."""
    for text, is_error in zip(printed, (False, True), strict=True):
        typer.echo(text, nl=False, err=is_error)


def _refuse_places_of_here(context: Context) -> None:
    """BadInput for options that name places of this machine, where the head has its own."""
    remedies = {
        "runs_dir": ("--runs-dir", "ALMKD_RUNS"),
        "tracking_uri": ("--tracking-uri", "MLFLOW_TRACKING_URI"),
    }
    for parameter, (option, variable) in remedies.items():
        source = context.get_parameter_source(parameter)
        if source is not None and source.name == "COMMANDLINE":
            raise BadInput(
                f"{option}: a submitted sweep is kept where the cluster's head keeps its sweeps; "
                f"leave it out, and set {variable} in the head's environment"
            )


def _move_to(runs_dir: Path) -> None:
    """Leave a job's own directory, which may go before the job does, for one that stays.

    BadInput if none is named.
    """
    if not runs_dir.is_absolute():
        raise BadInput(
            f"--runs-dir {runs_dir}: a job's own directory goes with the job; set ALMKD_RUNS in "
            "the environment of the cluster's head to an absolute path on a disk that stays"
        )
    runs_dir.mkdir(parents=True, exist_ok=True)
    os.chdir(runs_dir)


def _end_on_signals() -> None:
    """End as by Ctrl-C where somebody ends this process, or its terminal closes; under ``nohup``
    that is not heard.

    KeyboardInterrupt at once where SIGINT came before and was blocked, as a supervisor starts a
    launch.
    """
    sys.unraisablehook = partial(_hear_again, sys.unraisablehook)
    signal.signal(signal.SIGTERM, _raise_interrupt)
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise_interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _hear_again(
    tell: Callable[["sys.UnraisableHookArgs"], object], lost: "sys.UnraisableHookArgs"
) -> None:
    """An interrupt that meets a destructor or a callback of garbage collection goes no further: it
    is raised once more, where it is heard. SystemExit is what Ray makes of SIGTERM while it starts.
    """
    if issubclass(lost.exc_type, (KeyboardInterrupt, SystemExit)):
        _send_again(signal.SIGTERM)
    else:
        tell(lost)


def _raise_interrupt(signum: int, frame: FrameType | None) -> None:
    """KeyboardInterrupt; a little later where it meets Python's import system, which would keep a
    lock: other threads would wait for that for ever, and the launch for them."""
    if frame is None or frame.f_code.co_filename != IMPORT_SYSTEM:
        raise KeyboardInterrupt
    _send_again(signum)


def _send_again(number: int) -> None:
    """Have the main thread hear a signal once more, a little later."""
    main = threading.main_thread().ident
    again = threading.Timer(HEARD_AGAIN_AFTER, signal.pthread_kill, (main, number))
    again.daemon = True
    again.start()

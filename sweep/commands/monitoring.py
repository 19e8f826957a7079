"""What happens elsewhere: list, status, watch, logs, stop.

How far a sweep is comes from the tracking store, so any machine that reaches it can tell, also
after the end. Whether somebody is at it comes from the cluster, where one is named.
"""

import json
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from sweep.commands.options import (
    DEFAULT_RUNS,
    ClusterOption,
    RunsOption,
    SweepArgument,
    TrackingOption,
    places,
)
from sweep.commands.printing import print_table
from sweep.commands.snapshot import Seen, View, jobs_of
from sweep.errors import BadInput, SweepFailed, unknown
from sweep.secrets import masked
from sweep.showing import new_console
from sweep.terminal import Terminal, echo

# Seconds between two looks on a screen, and two lines in a log; a look that takes long is taken
# less often.
LOOK_EVERY, LINE_EVERY, COST = 2.0, 10.0, 10.0
# A rate is taken over so many seconds: epochs reach the store in lumps.
RATE_OVER = 60.0
# How long a store may be away while a sweep is watched, in seconds.
PATIENCE = 300.0
# The last line of a launch that wrote down what was in flight.
WROTE_DOWN = "almkd: interrupted; the same command goes on from here"


def list_sweeps(
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    address: ClusterOption = None,
) -> None:
    """List the sweeps of a store, and with --address the newest job of each.

    A sweep whose runs were deleted after its end is incomplete; almkd status says what it lacks.
    """
    view = View(runs_dir, tracking_uri, address)
    rows = view.store.sweeps() if view.store else []
    for row in _one_by_one(rows):
        row["state"] = view.state_now(row["sweep"], row["state"])
    columns = ["sweep", "state", "started", "description"]
    if view.jobs:
        known = {row["sweep"]: row for row in rows}
        newest = {job.sweep: job for job in reversed(view.jobs.all())}
        for sweep, job in newest.items():
            row = known.setdefault(sweep, {"sweep": sweep})
            row.update({"job": job.id, "job is": job.state})
        rows, columns = list(known.values()), [*columns[:3], "job", "job is", columns[3]]
    print_table(columns, rows)


def _one_by_one(rows: list[dict[str, str]]) -> Iterator[dict[str, str]]:
    """The rows, with a bar while somebody waits: each sweep that came to its end is read."""
    from rich.progress import track

    console = Terminal(stderr=True)
    yield from track(
        rows, "reading sweeps", console=console, transient=True, disable=not console.is_terminal
    )


def status(
    sweep: SweepArgument,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    address: ClusterOption = None,
    form: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:
    """Say how far a sweep is: stages, trials of each cell, the best so far, speed, time left.

    From the tracking store alone; with --address also which job runs it.
    """
    if form not in ("text", "json"):
        raise BadInput(f"--format: {unknown('format', form, ('text', 'json'))}")
    seen = View(runs_dir, tracking_uri, address).look(sweep)
    if form == "json":
        typer.echo(json.dumps(seen.as_data(sweep), indent=2))
    else:
        new_console().print(seen.screen(), highlight=False)


def watch(
    sweep: SweepArgument,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    address: ClusterOption = None,
) -> None:
    """Follow a sweep to its end: a live screen in a terminal, lines in a log.

    Exit code 1 if it failed, or its process is gone. Ctrl-C ends the watching, not the sweep.
    """
    view = View(runs_dir, tracking_uri, address)
    with _shown() as (show, every):
        for seen in _until_over(view, sweep, every):
            show(seen)
    if seen.has_failed:
        raise SweepFailed(f"{sweep}: {seen.ended_as}")


def logs(
    sweep: SweepArgument,
    address: ClusterOption = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job is over.")] = False,
) -> None:
    """Print what the newest job of a sweep has printed."""
    if address is None:
        raise BadInput(
            f"{sweep}: a launch on this machine prints to its own terminal and keeps no log; "
            f"almkd status {sweep} says how far it is. Of a job on a cluster: --address "
            "http://HEAD:8265"
        )
    jobs = jobs_of(address)
    job = jobs.newest(sweep)
    for part in jobs.follow(job.id) if follow else [jobs.log(job.id)]:
        echo(part, nl=False)


def stop(
    sweep: SweepArgument,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    address: ClusterOption = None,
) -> None:
    """End the launch of a sweep as Ctrl-C would, and wait for it: the same launch goes on later."""
    if address is None:
        from sweep.lock import stop_owner

        who = stop_owner(places(runs_dir, tracking_uri).sweep(sweep), sweep)
        echo(f"{sweep}: {who} has ended; the same launch goes on from here")
        return
    jobs = jobs_of(address)
    job = jobs.newest(sweep)
    if job.is_over:
        raise BadInput(f"{sweep}: nothing to stop: {job}")
    ended = jobs.stop(job.id)
    if ended.state == "stopped" and WROTE_DOWN not in jobs.log(job.id):
        echo(
            f"{sweep}: {ended}, before it wrote down what was in flight; the next launch sets "
            "the states right and goes on from there"
        )
    else:
        echo(f"{sweep}: {ended}; the same launch goes on from here")


def _until_over(view: View, sweep: str, every: float) -> Iterator[Seen]:
    """A sweep again and again, the last time when it is over, at the rate of the last minute."""
    points: deque[tuple[float, int, float]] = deque()
    began = heard = time.monotonic()
    seen = view.look(sweep)
    while True:
        now = time.monotonic()
        took = now - began
        if seen.progress is not None and not seen.away:
            heard = now
            points.append((now, seen.progress.epochs, seen.progress.held_s))
            seen = seen.at_rate(_rates(points))
        yield seen
        if seen.is_over:
            return
        time.sleep(max(every, COST * took))
        began = time.monotonic()
        try:
            seen = view.look(sweep)
        except (SweepFailed, BadInput) as error:
            if began - heard > PATIENCE:
                raise
            seen = replace(seen, away=f"no answer: {masked(str(error))}")


def _rates(points: deque[tuple[float, int, float]]) -> tuple[float, float] | None:
    """Epochs a second over the last minute of (moment, epochs so far, seconds that cohorts trained
    so far), and how many cohorts trained at once; None if too little is known.

    Older points are forgotten.
    """
    while len(points) > 2 and points[-1][0] - points[1][0] > RATE_OVER:
        points.popleft()
    seconds, epochs, held_s = (
        last - first for first, last in zip(points[0], points[-1], strict=True)
    )
    known = seconds > RATE_OVER / 2 and epochs > 0 and held_s > 0
    return (epochs / seconds, held_s / seconds) if known else None


@contextmanager
def _shown() -> Iterator[tuple[Callable[[Seen], None], float]]:
    """What shows a sweep here, and after how many seconds again."""
    console = new_console()
    if not console.is_terminal:
        began = time.monotonic()

        def say(seen: Seen) -> None:
            echo(f"{time.monotonic() - began:5.0f} s  {seen.line()}")
            sys.stdout.flush()

        yield say, LINE_EVERY
        return
    from rich.live import Live

    with Live(console=console, auto_refresh=False) as live:

        def draw(seen: Seen) -> None:
            live.update(seen.screen(), refresh=True)

        yield draw, LOOK_EVERY

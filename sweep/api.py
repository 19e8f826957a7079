"""Sweeps from Python: what ``from sweep import launch, load`` gives, in a notebook or a script.

The command line is built on it. Names of options in messages are those of the command line; the
arguments here have the same names: ``--runs-dir`` is ``runs_dir``, ``--set`` is ``set``.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.errors import BadInput
from sweep.secrets import optuna_url, refuse_in_arguments, take_up_files

if TYPE_CHECKING:
    from rich.console import Console

    from sweep.comparison import Comparison
    from sweep.places import Places
    from sweep.results import Shown
    from sweep.spec.reader import Given
    from sweep.spec.spec import SweepSpec


def launch(  # noqa: PLR0913 - an option each
    spec: "Given",
    *,
    set: Mapping[str, Any] | None = None,
    runs_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    address: str | None = None,
    allow_code: bool = False,
    profile: bool = False,
    quiet: bool = False,
) -> "Comparison":
    """Run a sweep, or go on with it where it stopped, and compare: `almkd launch` from Python.

    ``spec``: a YAML file's path, a preset's name, YAML text, or a mapping. ``set``: fields of it to
    change, by dotted path, such as ``{"search.trials": 8}``. ``runs_dir``, ``tracking_uri``: where
    sweeps are kept; by default what ``ALMKD_RUNS`` and ``MLFLOW_TRACKING_URI`` say, else ``runs``.
    ``address``: a Ray cluster that this process can join, ``auto`` or ``HOST:PORT``.
    ``allow_code``: let the spec load Python code of your own. ``profile``: say where the time went.
    ``quiet``: print nothing.

    Raises BadInput where something given cannot be used, SweepFailed where no cell could be
    confirmed, KeyboardInterrupt when interrupted; the same call goes on from there.
    """
    from sweep.spec.code_needed import check_code_is_allowed

    if address and "://" in address:
        raise BadInput(
            f"address={address!r}: such a sweep is kept where the cluster's head keeps its sweeps; "
            f"submit it with almkd launch SPEC --address {address}, then load(NAME, "
            "tracking_uri=...) gives its comparison"
        )
    places = _places(runs_dir, tracking_uri)
    wanted = read(spec, set or {}, allow_code)
    check_code_is_allowed(wanted, allow_code)
    console = _console(quiet)
    shown = run(wanted, places, console, address, profile)
    # Loads what a launch loads while Ray starts.
    from sweep.comparison import Comparison

    return Comparison(shown, places, console)


def load(
    name: str,
    *,
    runs_dir: str | Path | None = None,
    tracking_uri: str | None = None,
    quiet: bool = False,
) -> "Comparison":
    """What a sweep showed, read from its runs; nothing is run, and nothing is written.

    ``runs_dir``, ``tracking_uri``, ``quiet``: as `launch` has them. A sweep that is under way gives
    what it has shown so far. BadInput where there is no such sweep.
    """
    from sweep.comparison import Comparison
    from sweep.places import open_store
    from sweep.results import look

    places = _places(runs_dir, tracking_uri)
    shown = look(name, places, open_store(places, must_exist=True))
    return Comparison(shown, places, _console(quiet))


def run(  # noqa: PLR0913, PLR0917 - as `sweep.run.launch`
    spec: "SweepSpec",
    places: "Places",
    console: "Console",
    address: str | None = None,
    profile: bool = False,
    stop_after: float | None = None,
    source: str | None = None,
) -> "Shown":
    """Launch a checked spec and show what came out; see `launch`."""
    from sweep.run import launch as run_stages
    from sweep.showing import show

    shown = run_stages(spec, places, console, address, profile, stop_after, source)
    show(console, shown, places.runs_dir)
    return shown


def read(
    spec: "Given",
    changes: Sequence[str] | Mapping[str, Any] = (),
    allow_code: bool = False,
    files_elsewhere: bool = False,
) -> "SweepSpec":
    """The spec that a user gave, with what was changed in it.

    ``allow_code``: code of the user's own, looked for in the current directory, may tell what it
    is. ``files_elsewhere``: another machine reads the files that it names.
    """
    from sweep.spec.reader import read_spec

    if allow_code:
        let_everyone_import_from_here()
    return read_spec(spec, changes, allow_code, files_elsewhere)


def _places(runs_dir: str | Path | None, tracking_uri: str | None) -> "Places":
    """Where sweeps are kept; BadInput for a password that anybody could read, and where an
    installed package brings what cannot be had."""
    from sweep.places import Places
    from trainers.registry import PROBLEMS

    if PROBLEMS:
        raise BadInput("\n".join(PROBLEMS))
    refuse_in_arguments([tracking_uri or ""])
    take_up_files()
    directory = Path(runs_dir or os.environ.get("ALMKD_RUNS") or "runs")
    store = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or None
    return Places(directory, store, optuna_url())


def _console(quiet: bool) -> "Console":
    from rich.console import Console

    from sweep.showing import new_console

    return Console(quiet=True) if quiet else new_console()


def let_everyone_import_from_here() -> None:
    """Have this process, and those that it starts, find modules in the current directory."""
    here, before = os.getcwd(), os.environ.get("PYTHONPATH", "")
    if here not in sys.path:
        sys.path.insert(0, here)
    if here not in before.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join([here, *([before] if before else [])])

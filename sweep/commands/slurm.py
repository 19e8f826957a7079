"""Submit a sweep as a batch job of SLURM."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.commands.options import (
    DEFAULT_RUNS,
    CodeOption,
    RunsOption,
    SetOption,
    SpecArgument,
    TrackingOption,
    checked,
    read,
)
from sweep.errors import BadInput
from sweep.terminal import echo

if TYPE_CHECKING:
    from sweep.slurm.job import Allocation


def slurm(  # noqa: PLR0913, PLR0917 - an option each
    spec: SpecArgument,
    time: Annotated[
        str,
        typer.Option(
            metavar="TIME",
            help="The time limit of one start, as sbatch has it: 30 (minutes), 4:00:00, 2-12. "
            "Before it the sweep ends with true states, and the job is queued again until it is "
            "complete.",
        ),
    ],
    nodes: Annotated[int, typer.Option(metavar="N", help="How many nodes.")] = 1,
    overrides: SetOption = None,
    runs_dir: RunsOption = DEFAULT_RUNS,
    tracking_uri: TrackingOption = None,
    allow_code: CodeOption = False,
    partition: Annotated[str | None, typer.Option(help="As of sbatch.")] = None,
    account: Annotated[str | None, typer.Option(help="As of sbatch.")] = None,
    cpus_per_node: Annotated[
        int | None, typer.Option(metavar="N", help="CPUs of each node; by default whole nodes.")
    ] = None,
    gpus_per_node: Annotated[
        int | None, typer.Option(metavar="N", help="GPUs of each node; by default none.")
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPTION",
            help="Another option of sbatch, such as --sbatch=--mem=16G; may be repeated.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the script of the job, and submit nothing.")
    ] = False,
) -> None:
    """Run a sweep as a batch job of SLURM, which is queued again until the sweep is complete.

    Example: almkd slurm mine.yaml --nodes 4 --time 4:00:00 --gpus-per-node 2

    The runs directory has to be on a disk that this machine and all nodes share. The job takes the
    environment of this command, MLFLOW_TRACKING_URI and ALMKD_OPTUNA_URL among that.
    """
    from sweep.slurm import job, network_disk
    from sweep.spec.code_needed import check_code_is_allowed

    allocation = job.Allocation(
        time, nodes, partition, account, cpus_per_node, gpus_per_node, tuple(sbatch or ())
    )
    wanted = checked(read(spec, overrides, allow_code))
    check_code_is_allowed(wanted, allow_code)
    where = runs_dir.resolve()
    network_disk.check_store(where, tracking_uri)
    arguments = [
        str(Path(spec).resolve()) if Path(spec).is_file() else spec,
        *(word for change in overrides or () for word in ("--set", change)),
        *(["--tracking-uri", tracking_uri] if tracking_uri and _is_an_option(tracking_uri) else []),
        *(["--allow-code"] if allow_code else []),
    ]
    # Not resolved: in a virtual environment the interpreter is a link to another directory.
    programs = Path(sys.executable).parent
    script = job.written(wanted.name, allocation, where, programs, arguments)
    if dry_run:
        typer.echo(script, nl=False)
        return
    _submit(wanted.name, script, where, allocation)


def _submit(name: str, script: str, runs_dir: Path, allocation: "Allocation") -> None:
    """Hand the script to SLURM, keep it beside the runs, and say how the sweep is followed."""
    from sweep.slurm import job
    from sweep.writable import check_writable

    job.refuse_without_slurm()
    is_new = not runs_dir.exists()
    kept = job.script_of(runs_dir, name)
    check_writable(runs_dir, [runs_dir], [kept])
    try:
        number = job.submit(script)
    except BadInput:
        if is_new:
            with suppress(OSError):
                runs_dir.rmdir()
        raise
    kept.write_text(script, encoding="utf-8")
    echo(
        f"{name}: submitted as job {number}, {allocation.nodes} nodes for {allocation.time} at a "
        f"time; the script is {kept}"
    )
    echo(f"squeue --jobs {number} shows whether it waits or runs")
    echo(f"almkd watch {name} --runs-dir {runs_dir} shows how far it is")
    echo(f"{job.log_of(runs_dir, name, number)} has what it prints")
    echo(f"scancel {number} ends it; the same command goes on from there")


def _is_an_option(tracking_uri: str) -> bool:
    """Whether it was given as one; the environment goes along by itself."""
    return tracking_uri != os.environ.get("MLFLOW_TRACKING_URI")

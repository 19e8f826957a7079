"""Arguments and options that several commands have, and what is made of them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweep.commands import completion
from sweep.errors import BadInput
from sweep.secrets import optuna_url

if TYPE_CHECKING:
    from sweep.places import Places
    from sweep.spec.spec import SweepSpec

SpecArgument = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A YAML file, or the name of a preset such as digits.",
        autocompletion=completion.specs,
    ),
]
SweepArgument = Annotated[
    str,
    typer.Argument(metavar="SWEEP", help="The name of a sweep.", autocompletion=completion.sweeps),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Change a field of the spec; may be repeated."
    ),
]
CodeOption = Annotated[
    bool, typer.Option("--allow-code", help="Let the spec load Python code of your own.")
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
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="http://HEAD:8265",
        # As Ray's own command line has it.
        envvar="RAY_API_SERVER_ADDRESS",
        help="The dashboard of the Ray cluster that the sweep was submitted to.",
    ),
]
DEFAULT_RUNS = Path("runs")


def places(runs_dir: Path, tracking_uri: str | None) -> "Places":
    """Where sweeps are kept, as options and environment say."""
    from sweep.places import Places

    return Places(runs_dir, tracking_uri, optuna_url())


def read(
    spec: str,
    overrides: list[str] | None,
    allow_code: bool = False,
    files_elsewhere: bool = False,
) -> "SweepSpec":
    """The spec that a user named: `sweep.api.read`."""
    from sweep import api

    return api.read(spec, overrides or (), allow_code, files_elsewhere)


def checked(spec: "SweepSpec") -> "SweepSpec":
    """``spec``, if a launch would take it; BadInput else."""
    from sweep.adapters.optuna.rules import check_rules
    from sweep.plan.plan import Plan

    check_rules(spec)
    Plan(spec)
    return spec


def is_http(address: str) -> bool:
    """Whether an address is a dashboard's, and not a head's."""
    return address.startswith(("http://", "https://"))


def is_client(address: str) -> bool:
    """Whether an address is that of a Ray Client server."""
    return address.startswith("ray://")


@contextmanager
def needs_cluster_packages(address: str) -> Iterator[None]:
    """BadInput, saying what to install, where an import in the block fails."""
    try:
        yield
    except ImportError as error:
        raise BadInput(
            f"--address {address}: what talks to a cluster is not installed ({error}); "
            "pip install 'almkd[cluster]'"
        ) from None


def cluster(address: str) -> str:
    """The address of a dashboard; BadInput if it is something else."""
    if not is_http(address):
        raise BadInput(
            f"--address {address}: jobs are asked for at a cluster's dashboard; give it as "
            "http://HEAD:8265"
        )
    return address


def is_in_a_job() -> bool:
    """Whether this process was started on a head for someone elsewhere, as a driver of a job."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ

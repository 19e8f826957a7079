"""Passwords come from files or the environment, and stay out of arguments, messages and logs."""

import os
import re
import resource
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from sweep.errors import BadInput

# What MLflow reads from the environment of the process that talks to it.
MLFLOW = ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
OPTUNA = "ALMKD_OPTUNA_URL"
# With this behind its name, a variable names a file that holds the value.
SUFFIX = "_FILE"

# user:password in a URL, wherever in a text it stands. SQLAlchemy takes a password that holds a
# slash as it is; what begins as a port does is one.
_PASSWORD = re.compile(r"(://[^\s/:@]*):(?!\d+/)\S+@")


def masked(text: str) -> str:
    """``text`` with the password of every URL in it replaced by ``***``."""
    return _PASSWORD.sub(r"\1:***@", text)


def leave_no_cores() -> None:
    """Have this process, and those that it starts, leave no copy of their memory where they crash:
    passwords and tokens are in it."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def refuse_in_arguments(arguments: Sequence[str]) -> None:
    """BadInput if an argument holds a URL with a password, which any user of a machine can read."""
    for argument in arguments:
        if _PASSWORD.search(argument):
            raise BadInput(
                f"{masked(argument)}: holds a password, and arguments can be read by everyone on "
                "this machine; give the store in the environment as MLFLOW_TRACKING_URI, or a "
                "server's password as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )


def take_up_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Put into ``environment`` what MLflow reads there and the environment has as a file.

    BadInput where a file cannot be read or is empty, or a variable is given in both ways.
    """
    for name in MLFLOW:
        value = _given(name, environment)
        if value is not None:
            environment[name] = value
            environment.pop(name + SUFFIX, None)
    _given(OPTUNA, environment)


def optuna_url(environment: MutableMapping[str, str] = os.environ) -> str | None:
    """The database of the studies, None where they are kept in the runs directory."""
    return _given(OPTUNA, environment)


def mlflow_credentials() -> dict[str, str]:
    """User and password of the tracking server, by variable, for a process that has not got them.

    A process on a cluster has the environment of its node, not that of who launches.
    """
    return {name: os.environ[name] for name in MLFLOW[1:] if name in os.environ}


def _given(name: str, environment: MutableMapping[str, str]) -> str | None:
    """The value of a variable, or of the file that its other form names."""
    value, path = environment.get(name), environment.get(name + SUFFIX)
    if not path:
        return value or None
    if value:
        raise BadInput(f"{name} and {name}{SUFFIX} are both set; unset one of them")
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{name}{SUFFIX}: {path} cannot be read ({type(error).__name__}); name a file that "
            f"holds the value, or set {name} itself"
        ) from None
    if not value:
        raise BadInput(f"{name}{SUFFIX}: {path} is empty; write the value into it")
    return value

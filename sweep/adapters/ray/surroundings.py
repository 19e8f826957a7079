"""What Ray needs of the machine that it is started on, and what it is given in place of that."""

import os
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray._common.utils import get_default_ray_temp_dir

from sweep.errors import BadInput

# The longest path of a socket that the system takes, in bytes.
LONGEST_SOCKET = 103 if os.uname().sysname == "Darwin" else 107
# What Ray puts below its own directory, with a number of a process at its longest.
BELOW = "/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
SHORT = Path("/tmp/ray")
SHARED_MEMORY = Path("/dev/shm")
# How much Ray's store of objects holds where there is no shared memory, in bytes.
WITHOUT_SHARED_MEMORY = 10**9


def options(say: Callable[[str], None]) -> dict[str, Any]:
    """Of `ray.init` on this machine: a directory for its sockets, and room for its objects.

    ``say`` is told what is not where Ray would have it. BadInput where there is no way.
    """
    _have_token()
    return {**_directory(say), **_room(say)}


def most_bytes() -> int:
    """How long the path of a temporary directory may be, in bytes."""
    return LONGEST_SOCKET - len(BELOW) - len("/ray")


def _directory(say: Callable[[str], None]) -> dict[str, Any]:
    """One that is short enough for sockets, and can be written."""
    wanted = Path(get_default_ray_temp_dir())  # type: ignore[no-untyped-call]
    if len(os.fsencode(wanted)) + len(BELOW) <= LONGEST_SOCKET:
        _check_directory(wanted)
        return {}
    variable = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    say(
        f"{variable} is too long for Ray's sockets (at most {most_bytes()} bytes); Ray uses {SHORT}"
    )
    _check_directory(SHORT)
    return {"_temp_dir": str(SHORT)}


def _check_directory(path: Path) -> None:
    """BadInput where Ray could not write below ``path``."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise BadInput(
            f"{path}: Ray cannot write there ({error.strerror}); set RAY_TMPDIR to a directory of "
            f"yours, of at most {most_bytes()} bytes"
        ) from None


def _room(say: Callable[[str], None]) -> dict[str, Any]:
    """For what processes hand each other."""
    if os.uname().sysname != "Linux" or os.access(SHARED_MEMORY, os.R_OK | os.W_OK | os.X_OK):
        return {}
    place = tempfile.gettempdir()
    say(f"there is no shared memory ({SHARED_MEMORY}); Ray uses files in {place}, which is slower")
    return {"_plasma_directory": place, "object_store_memory": WITHOUT_SHARED_MEMORY}


def _have_token() -> None:
    """Have Ray take a token of this launch's own where it could not keep one at home."""
    if "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ:
        return
    try:
        kept = Path.home() / ".ray" / "auth_token"
        kept.parent.mkdir(parents=True, exist_ok=True)
        if kept.exists() or os.access(kept.parent, os.W_OK):
            return
    except (OSError, RuntimeError):
        pass
    os.environ["RAY_AUTH_TOKEN"] = uuid.uuid4().hex

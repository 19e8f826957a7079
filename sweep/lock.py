"""One launch of a sweep at a time: a lock that its process holds and that dies with it."""

import fcntl
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sweep.errors import BadInput, SweepFailed

# How long a launch may take to write down what was in flight, in seconds.
ENDS_WITHIN = 120.0


@dataclass(frozen=True)
class Owner:
    """The process that runs a sweep."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this machine."""
        return self.host == socket.gethostname()


@contextmanager
def locked(directory: Path, name: str) -> Iterator[None]:
    """Hold the sweep ``name``, kept in ``directory``; BadInput, saying who does, if it is held."""
    directory.mkdir(parents=True, exist_ok=True)
    with _lock(directory).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            who = _written(directory)
            raise BadInput(
                f"the sweep {name!r} is being run: by {who or 'another process'}; wait for it, or "
                "stop it and launch again"
            ) from None
        file.truncate(0)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        file.write(json.dumps(asdict(Owner(socket.gethostname(), os.getpid(), since))))
        file.flush()
        yield


def has_been_launched(directory: Path) -> bool:
    """Whether ``directory`` is that of a sweep, on which some launch has laid its lock."""
    return _lock(directory).is_file()


def is_locked(directory: Path) -> bool:
    """Whether a process runs the sweep that is kept in ``directory``."""
    try:
        with _lock(directory).open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop_owner(directory: Path, name: str) -> Owner:
    """End the process that runs a sweep, as Ctrl-C would, and wait until it has ended.

    BadInput where there is none, or none that can be ended from here; SweepFailed if it goes on.
    """
    who = _written(directory)
    if not is_locked(directory):
        raise BadInput(
            f"{name}: no launch of it runs under {directory.parent}; name another directory with "
            "--runs-dir, or the cluster that it runs on with --address http://HEAD:8265"
        )
    if who is None or not who.is_here:
        raise BadInput(f"{name}: is run by {who or 'a process that cannot be told'}; stop it there")
    try:
        os.kill(who.pid, signal.SIGTERM)
    except PermissionError:
        raise BadInput(f"{name}: is run by {who}, which is another user's; ask them") from None
    except ProcessLookupError:
        # In a container, perhaps, whose processes have numbers of their own.
        raise BadInput(f"{name}: is run by {who}, which cannot be seen from here") from None
    deadline = time.monotonic() + ENDS_WITHIN
    while is_locked(directory):
        if time.monotonic() > deadline:
            raise SweepFailed(
                f"{name}: {who} still runs {ENDS_WITHIN:g} s after it was told to stop; "
                f"end it with kill -9 {who.pid}, and launch again to set the states right"
            )
        time.sleep(0.1)
    return who


def _lock(directory: Path) -> Path:
    return directory / "lock"


def _written(directory: Path) -> Owner | None:
    """Who wrote down last that it holds the lock."""
    with suppress(OSError, ValueError, TypeError):
        return Owner(**json.loads(_lock(directory).read_text(encoding="utf-8")))
    return None

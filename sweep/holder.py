"""One launch of a sweep at a time: a lock that its process holds and that dies with it."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sweep.errors import BadInput


@contextmanager
def held(directory: Path, name: str) -> Iterator[None]:
    """Hold the sweep ``name``, kept in ``directory``; BadInput, saying who does, if it is held."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"the sweep {name!r} is being run: {_holder(directory)}") from None
        file.truncate(0)
        since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        me = {"host": socket.gethostname(), "pid": os.getpid(), "since": since}
        file.write(json.dumps(me))
        file.flush()
        yield


def _holder(directory: Path) -> str:
    try:
        who = json.loads((directory / "lock").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "by another process; wait for it or stop it"
    return (
        f"by process {who['pid']} on {who['host']} since {who['since']}; wait for it, or stop it "
        "and launch again"
    )

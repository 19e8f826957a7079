"""Whether locks of a directory hold between machines: ``srun --nodes=2 --ntasks=2 python -m
sweep.slurm.locks DIRECTORY``.

One task holds the locks that SQLite (POSIX) and a launch (flock) use, the others ask for them. Exit
code 0 and a line of each other task where both hold, 1 where one does not.
"""

import fcntl
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

# How long a task waits for another, in seconds; a network file system may show a new file late.
PATIENCE = 120.0
LOOK_EVERY = 0.1
LOCKS: tuple[tuple[str, Callable[[IO[str], int], object]], ...] = (
    ("POSIX", fcntl.lockf),
    ("flock", fcntl.flock),
)


def main() -> int:
    """The task that SLURM made this process."""
    directory = Path(sys.argv[1])
    rank, count = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
    step = f"{os.environ['SLURM_JOB_ID']}.{os.environ['SLURM_STEP_ID']}"
    place = directory / f".locks-{step}"
    return hold(place, count) if rank == 0 else ask(place, rank)


def hold(place: Path, count: int) -> int:
    """Hold every lock until the other tasks have asked; ``place`` is made, and removed."""
    place.mkdir()
    asked = [place / f"asked-{rank}" for rank in range(1, count)]
    files = [(place / name).open("w", encoding="utf-8") for name, _ in LOCKS]
    try:
        for file, (_, lock) in zip(files, LOCKS, strict=True):
            lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (place / "held").touch()
        answered = _seen(lambda: all(path.exists() for path in asked))
    finally:
        for file in files:
            file.close()
        for path in (*asked, place / "held", *(place / name for name, _ in LOCKS)):
            path.unlink(missing_ok=True)
        place.rmdir()
    return 0 if answered else _failed("the other tasks did not answer")


def ask(place: Path, rank: int) -> int:
    """Ask for every lock while another task holds it."""
    if not _seen((place / "held").exists):
        return _failed("the first task holds nothing")
    try:
        loose = [name for name, lock in LOCKS if _is_had(place / name, lock)]
    finally:
        (place / f"asked-{rank}").touch()
    if loose:
        return _failed(f"{' and '.join(loose)} locks do not hold between these machines")
    sys.stdout.write(f"{os.uname().nodename}: locks hold between these machines\n")
    return 0


def _is_had(path: Path, lock: Callable[[IO[str], int], object]) -> bool:
    with path.open("r+", encoding="utf-8") as file:
        try:
            lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _seen(what: Callable[[], bool]) -> bool:
    """Whether something became true in time."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY)
    return True


def _failed(why: str) -> int:
    sys.stderr.write(f"{os.uname().nodename}: {why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""Files of the user's own that go along with a sweep to a cluster.

A spec names them by where they are on the machine of the launch. A job has copies in its directory,
under names that follow from these; there they are found before anything else.
"""

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from sweep.errors import BadInput

# Names the directory of the job that a process belongs to.
VARIABLE = "ALMKD_CARRIED"
# Of the copies, in a job's directory.
FOLDER = "carried"
# What Ray takes along is 512 MiB at most, packed.
MOST_BYTES = 400_000_000


def place_of(path: str) -> Path:
    """Where the file, or directory, is that a spec calls ``path``: there it is, or would be."""
    job = os.environ.get(VARIABLE)
    if job and (copy := Path(job) / _name(path)).exists():
        return copy
    return Path(path).expanduser()


def find_in(job: Path) -> None:
    """Have this process look for copies in a job's directory."""
    os.environ[VARIABLE] = str(job.absolute())


def carry(paths: Iterable[str], job: Path, beside: str) -> None:
    """Copy what is here of ``paths`` into a job's directory; what is not, the cluster has.

    Of a directory its own files, and with a file one called ``beside`` in the same place. BadInput
    where it is too much to be sent, or a link leads out of the directory.
    """
    sent = 0
    for path in dict.fromkeys(paths):
        source = place_of(path)
        copy = job / _name(path)
        folder = copy if source.is_dir() else copy.parent
        for file in _files(source, beside):
            if file != source:
                refuse_link_out(file, file.parent)
            sent += file.stat().st_size
            if sent > MOST_BYTES:
                raise BadInput(
                    f"{path}: is sent along, and with it there are more than {MOST_BYTES / 1e6:g} "
                    "MB; put it on the cluster's head, and name it by its path there"
                )
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / file.name)


def refuse_link_out(path: Path, directory: Path) -> None:
    """BadInput where what would be sent along, below ``directory``, is a link to what is not: it is
    for no other's files to say what of this machine is sent."""
    if path.is_symlink() and not path.resolve().is_relative_to(directory.resolve()):
        raise BadInput(
            f"{path}: is a link to {path.resolve()}, outside of {directory}, and would be sent "
            "along; put a copy in its place, or remove it"
        )


def _files(source: Path, beside: str) -> list[Path]:
    if source.is_dir():
        return sorted(path for path in source.iterdir() if path.is_file())
    return [path for path in (source, source.parent / beside) if path.is_file()]


def _name(path: str) -> Path:
    digest = hashlib.sha256(path.encode()).hexdigest()[:12]
    return Path(FOLDER, digest, Path(path).name)

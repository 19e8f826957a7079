"""Where the files of a data set are looked for, and whether they are the published ones."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from trainers.data.errors import DataError

# Names the folder that holds the data sets of a machine.
VARIABLE = "ALMKD_DATA"


def places(folder: str | None, own: str, *usual: str) -> list[Path]:
    """The folders to look in: ``folder`` alone if given, or those of the machine.

    These are ``$ALMKD_DATA``, the folder ``own`` in it, and the ``usual`` ones.
    """
    if folder:
        return [Path(folder).expanduser()]
    root = os.environ.get(VARIABLE)
    roots = [Path(root).expanduser(), Path(root).expanduser() / own] if root else []
    return [*roots, *(Path(path) for path in usual)]


def holding(names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """The first of ``folders`` in which all files ``names`` are."""
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            return folder
    return None


def not_found(names: Sequence[str], folders: Sequence[Path], remedy: str) -> str:
    """A message for files that are in none of ``folders``."""
    files = ", ".join(names)
    looked = " or ".join(str(folder) for folder in folders)
    found = f"no {files} in {looked}" if looked else f"nowhere to look for {files}"
    return (
        f"{found}; {remedy}, and name the folder as data.folder or in the environment variable "
        f"{VARIABLE}"
    )


def check_md5(path: Path, expected: str) -> None:
    """DataError unless the file's MD5 is the published one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: its MD5 is {found}, the published file's is {expected}; fetch it again"
        )

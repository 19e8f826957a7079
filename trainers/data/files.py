"""Where the files of a data set are looked for, and whether they are the published ones."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from trainers.data.errors import DataError

# Below the home directory, where no folder is named: what the XDG base directories are by default.
XDG, XDG_DEFAULT = "XDG_DATA_HOME", ".local/share"
# Names the folder that holds the data sets of a machine.
VARIABLE = "ALMKD_DATA"


def places(folder: str | None, own: str, *usual: str) -> list[Path]:
    """The folders to look in: ``folder`` alone if given, or those of the machine.

    These are ``$ALMKD_DATA``, the folder ``own`` in it or in the user's own data, and the ``usual``
    ones.
    """
    if folder:
        return [Path(folder).expanduser()]
    root = os.environ.get(VARIABLE)
    roots = [Path(root).expanduser()] if root else []
    return [*roots, own_place(own), *(Path(path) for path in usual)]


def own_place(own: str) -> Path:
    """Where the data set with the folder ``own`` is put, and looked for."""
    if root := os.environ.get(VARIABLE):
        return Path(root).expanduser() / own
    home = os.environ.get(XDG)
    # Not Path.home(), which raises where there is none.
    root = home or os.path.join(os.path.expanduser("~"), XDG_DEFAULT)
    return Path(root) / "almkd" / own


def holding(names: Sequence[str], folders: Sequence[Path]) -> Path | None:
    """The first of ``folders`` in which all files ``names`` are."""
    for folder in folders:
        if all((folder / name).is_file() for name in names):
            return folder
    return None


def not_found(names: Sequence[str], folders: Sequence[Path], dataset: str) -> str:
    """A message for files of a published data set that are in none of ``folders``."""
    files = ", ".join(names)
    looked = " or ".join(str(folder) for folder in folders)
    return (
        f"no {files} in {looked}; almkd fetch {dataset} brings what is missing (--folder says "
        "where to), or name the folder that has it as data.folder or, for all data sets, in the "
        f"environment variable {VARIABLE}"
    )


def check_md5(path: Path, expected: str) -> None:
    """DataError unless the file's MD5 is the published one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: its MD5 is {found}, the published file's is {expected}; fetch it again"
        )

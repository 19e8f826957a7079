"""Files that are whole or not there: written beside their place, renamed, and summed up.

A directory of results holds a file of checksums in the form that ``sha256sum --check`` reads.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUMS = "SHA256SUMS"


@contextmanager
def replaced_together(directory: Path) -> Iterator[Path]:
    """An empty directory whose files replace those of ``directory`` when the block ends well.

    The checksums go last: whatever ends the process before, `damaged` tells. A block that raises
    leaves ``directory`` as it was.
    """
    directory.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    try:
        yield beside
        names = sorted(path.name for path in beside.iterdir())
        sums = "".join(f"{_digest(beside / name)}  {name}\n" for name in names)
        (directory / SUMS).unlink(missing_ok=True)
        for name in names:
            os.replace(beside / name, directory / name)
        (beside / SUMS).write_text(sums, encoding="utf-8")
        os.replace(beside / SUMS, directory / SUMS)
    finally:
        shutil.rmtree(beside)


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A place beside ``path`` that is renamed to it when the block ends well, or removed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def damaged(directory: Path) -> list[Path]:
    """The files of ``directory`` that are missing or differ from what was written."""
    try:
        lines = (directory / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    if not lines:
        return [directory / SUMS]
    wrong = []
    for line in lines:
        digest, _, name = line.partition("  ")
        path = directory / Path(name).name
        if not path.is_file() or _digest(path) != digest:
            wrong.append(path)
    return wrong


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

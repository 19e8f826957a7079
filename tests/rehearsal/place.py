"""The work directory of a rehearsal, of which nothing is left unless it is to be kept."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def work_directory(below: str, keep: bool) -> Iterator[Path]:
    """A directory of its own in ``below``, which other users may enter: servers run as some."""
    place = Path(tempfile.mkdtemp(prefix="almkd-", dir=below))
    place.chmod(0o755)
    try:
        yield place
    finally:
        if keep:
            sys.stdout.write(f"kept in {place}\n")
        else:
            shutil.rmtree(place, ignore_errors=True)

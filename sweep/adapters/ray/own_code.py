"""The user's own Python code, on its way to a cluster."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from sweep.carried_files import refuse_link_out
from sweep.errors import BadInput

# Far above any code that people write, far below what harms a head.
MOST_BYTES = 5_000_000
MOST_FILES = 1_000


def carry_own_code(source: Path, target: Path) -> None:
    """Copy the Python files below a directory, and nothing else of it.

    Hidden directories and virtual environments stay. BadInput if there is more than anyone writes,
    or a link leads out of it.
    """
    size = 0
    for count, path in enumerate(_python_files(source)):
        refuse_link_out(path, source)
        size += path.stat().st_size
        if size > MOST_BYTES or count >= MOST_FILES:
            raise BadInput(
                f"--allow-code: the Python files of {source} are sent along, and they are more "
                f"than {MOST_FILES:,} or {MOST_BYTES / 1e6:g} MB; launch from a directory that "
                "holds your own code and nothing else, or install it on every node"
            )
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)


def _python_files(source: Path) -> Iterator[Path]:
    for folder, below, names in os.walk(source):
        here = Path(folder)
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".")
            and name != "__pycache__"
            and not (here / name / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(names) if name.endswith(".py"))

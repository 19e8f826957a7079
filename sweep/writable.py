"""Whether a launch can write where it is to write, found out before anything is made there."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sweep.errors import BadInput

# What is written to try, in bytes: about what a store without sweeps takes.
TRIED = 2 * 2**20


def check_writable(runs_dir: Path, directories: Iterable[Path], files: Iterable[Path]) -> None:
    """BadInput unless ``directories``, made if they are not there, take files, and ``files`` can be
    changed, if they are there."""
    try:
        for directory in directories:
            directory.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=directory) as file:
                file.write(bytes(TRIED))
        for path in files:
            if path.exists():
                os.close(os.open(path, os.O_RDWR))
    except OSError as error:
        raise BadInput(
            f"--runs-dir {runs_dir}: cannot be written ({error.strerror}: {error.filename}); name "
            "another, or make it yours"
        ) from None

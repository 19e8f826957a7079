"""Which code ran: the version of the distribution, and the commit in a checkout."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_version() -> str:
    """E.g. ``0.2.0+g1a2b3c4``, with ``.dirty`` where the checkout has changes."""
    try:
        release = version("almkd")
    except PackageNotFoundError:
        release = "0"
    here = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty=.dirty", "--exclude=*"]
    try:
        if not (here / ".git").exists():
            return release
        described = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return release
    return f"{release}+g{described.stdout.strip()}"

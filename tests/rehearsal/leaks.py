"""No secret is in a log, an argument of a process, or what the databases hold."""

import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.rehearsal.stack import Stack
from tests.rehearsal.steps import Steps

# Beside the secrets themselves, nothing of the work directory is left out.
NOT_SEARCHED = ("secrets", "made", "volumes")


def nothing_leaked(stack: Stack, backup: Path, steps: Steps) -> None:
    """Looks for every secret that was made."""
    secrets = {
        path.name: path.read_bytes()
        for path in stack.secrets.iterdir()
        if path.name != "optuna_url"
    }
    texts = {"an argument": _arguments(), "a database": _databases(backup)}
    files = 0
    for path in stack.place.rglob("*"):
        inside = path.relative_to(stack.place).parts[0]
        if inside not in NOT_SEARCHED and path.is_file() and not path.is_symlink():
            files += 1
            with suppress(OSError):
                texts[f"the file {path.relative_to(stack.place)}"] = path.read_bytes()
    for place, text in texts.items():
        for name, secret in secrets.items():
            steps.check(secret not in text, f"{name} is not in {place}")
    steps.check(files > 20, "logs were there to be searched", files)


def _arguments() -> bytes:
    lines = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return "\n".join(lines).encode()


def _databases(backup: Path) -> bytes:
    """Both dumps as text."""
    return b"".join(
        subprocess.run([_pg_restore(), "--file=-", dump], capture_output=True, check=True).stdout
        for dump in sorted(backup.glob("*.dump"))
    )


def _pg_restore() -> str:
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_restore"))
    return str(programs[-1]) if programs else "pg_restore"

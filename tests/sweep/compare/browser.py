"""A page in headless Chromium: its picture, what is in it, and what its console says."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 60.0  # seconds
# Lines of Chromium about the machine it runs on say nothing about the page.
CONSOLE = ":CONSOLE:"


@dataclass(frozen=True)
class Visit:
    """What was seen of a page."""

    picture: Path
    document: str
    console: list[str]


def browser() -> str | None:
    """The command of a Chromium, if there is one."""
    return next((path for name in COMMANDS if (path := shutil.which(name))), None)


def visit(url: str, size: tuple[int, int], directory: Path, wait_ms: int = 0) -> Visit:
    """Load a page and take its picture, and its document after scripts have run."""
    directory.mkdir(parents=True, exist_ok=True)
    picture = directory / f"{size[0]}.png"
    command = browser()
    assert command is not None
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--hide-scrollbars", "--enable-logging=stderr", "--v=0", "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={directory / 'profile'}", f"--window-size={size[0]},{size[1]}",
        *([f"--virtual-time-budget={wait_ms}"] if wait_ms else []),
        f"--screenshot={picture}", "--dump-dom", url,
    ]  # fmt: skip
    run = subprocess.run(
        [command, *options], capture_output=True, text=True, timeout=TIMEOUT, check=True
    )
    lines = [line for line in run.stderr.splitlines() if CONSOLE in line]
    return Visit(picture, run.stdout, lines)

"""The wheel in ``dist/`` works where nothing else of this project is.

`make release` builds it and runs this: an empty virtual environment outside the checkout takes the
wheel, with the versions of ``constraints.txt``, and a preset runs there.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

from sweep.spec.presets import presets

CHECKOUT = Path(__file__).resolve().parents[2]
# What is no code, and yet has to be there.
NEEDED = (
    *(f"search_spaces/presets/{name}.yaml" for name in presets()),
    "sweep/compare/report.html.j2",
    *(f"{package}/py.typed" for package in ("search_spaces", "sweep", "trainers")),
)
# Of a room that is not this project's.
WHERE = (
    "import sweep, trainers, search_spaces; from sweep import launch, load;"
    "print(*(m.__file__ for m in (sweep, trainers, search_spaces)), sep='\\n')"
)


def main() -> None:
    """Ends with a message where something is wrong."""
    (wheel,) = (CHECKOUT / "dist").glob("almkd-*.whl")
    (source,) = (CHECKOUT / "dist").glob("almkd-*.tar.gz")
    version = wheel.name.split("-")[1]
    _check_contents(wheel, source, version)
    with tempfile.TemporaryDirectory(prefix="almkd-release-") as place:
        room = Path(place).resolve()
        home = room / "venv"
        venv.create(home, with_pip=True)
        _say(f"installing {wheel.name} into an empty environment")
        # Python compiles what is imported; of all that is installed, pip would take minutes.
        how = ["--quiet", "--no-compile", "-c", str(CHECKOUT / "constraints.txt")]
        _run(room, str(home / "bin" / "pip"), "install", *how, str(wheel))
        _check_installed(room, home, version)
    _say(f"{wheel.name} installs, and a preset runs from it")


def _check_contents(wheel: Path, source: Path, version: str) -> None:
    """The files that are no code are in both, and the licence."""
    with zipfile.ZipFile(wheel) as archive:
        there = set(archive.namelist())
    missing = {*NEEDED, f"almkd-{version}.dist-info/licenses/LICENSE"} - there
    if wrong := missing | {name for name in there if name.startswith("tests/")}:
        sys.exit(f"{wheel.name}: missing, or not to be there: {', '.join(sorted(wrong))}")
    with tarfile.open(source) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    if lacks := {*NEEDED, "LICENSE", "README.md", "pyproject.toml"} - packed:
        sys.exit(f"{source.name}: lacks {', '.join(sorted(lacks))}")


def _check_installed(room: Path, home: Path, version: str) -> None:
    """Code comes from the environment alone, and the command runs a preset to its end."""
    files = _run(room, str(home / "bin" / "python"), "-c", WHERE).splitlines()
    if outside := [file for file in files if file != "None" and not file.startswith(str(home))]:
        sys.exit(f"imported from elsewhere: {', '.join(outside)}")
    told = _run(room, str(home / "bin" / "pip"), "show", "almkd")
    if f"Version: {version}" not in told:
        sys.exit(f"installed is not {version}:\n{told}")
    almkd = str(home / "bin" / "almkd")
    listed = _run(room, almkd, "presets")
    if unknown := [name for name in presets() if name not in listed]:
        sys.exit(f"almkd presets does not list {', '.join(unknown)}")
    _say("running digits --smoke there")
    ran = _run(room, almkd, "launch", "digits", "--smoke")
    if "nothing was kept" not in ran:
        sys.exit(f"almkd launch digits --smoke said:\n{ran}")


def _run(room: Path, *command: str) -> str:
    """What a command prints, run in ``room`` with nothing of this checkout in its environment."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "ALMKD_", "MLFLOW_")) and name != "VIRTUAL_ENV"
    }
    done = subprocess.run(command, cwd=room, env=clean, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

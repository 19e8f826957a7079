"""An account that reads changes nothing on the tracking server, whichever of its doors it tries.

The server is MLflow's with what docker/mlflow.sh tells it of accounts, on databases of SQLite;
`make rehearse` tries doors of the whole stack.
"""

import base64
import contextlib
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.rehearsal.compose import ROOT

SCRIPT = ROOT / "docker" / "mlflow.sh"
ADMIN, READER = ("almkd", "twelve characters"), ("ann", "other characters")
UP_WITHIN_S = 300.0
HARMLESS = {"GET", "HEAD", "OPTIONS"}
# Questions that are asked by POST.
QUESTIONS = (
    "experiments/search", "runs/search", "registered-models/search", "model-versions/search",
    "logged-models/search", "traces/search", "experiments/search-datasets",
)  # fmt: skip
# What changes nothing but the asker's own password; tried with another's.
OWN = "users/update-password"


@dataclass(frozen=True)
class Server:
    """A server that runs, with what is in it: an experiment, and in that a run with a file."""

    address: str
    place: Path
    ids: Mapping[str, str]
    environment: Mapping[str, str]

    def ask(
        self, who: tuple[str, str], method: str, path: str, body: bytes = b"{}", kind: str = "json"
    ) -> tuple[int, bytes]:
        """Status and text of an answer."""
        request = urllib.request.Request(f"{self.address}{path}", body, method=method)
        request.add_header("Content-Type", f"application/{kind}")
        request.add_header(
            "Authorization", "Basic " + base64.b64encode(":".join(who).encode()).decode()
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def content(self) -> tuple[list[str], list[tuple[str, int]]]:
        """All that is kept: the rows of both databases, and the files."""
        rows: list[str] = []
        for name in ("mlflow.db", "accounts.db"):
            with contextlib.closing(sqlite3.connect(self.place / name)) as database:
                rows += database.iterdump()
        files = [p for p in (self.place / "artifacts").rglob("*") if p.is_file()]
        return rows, sorted((str(p), p.stat().st_size) for p in files)


def _told_by_the_script(place: Path) -> dict[str, str]:
    """The environment of its server, on databases of SQLite."""
    text = SCRIPT.read_text()
    (settings,) = re.findall(r"<< INI\n(.*?)\nINI\n", text, re.DOTALL)
    settings = settings.replace("$database", f"sqlite:///{place}/accounts.db")
    settings = re.sub(r"\$\{\w+:-(\w+)\}", r"\1", settings)
    assert "$" not in settings
    (place / "accounts.ini").write_text(settings)
    told = {
        name: value
        for line in re.findall(r"^export (MLFLOW_\w+=\S+(?: MLFLOW_\w+=\S+)*)$", text, re.MULTILINE)
        for name, value in (word.split("=") for word in line.split())
        if "$" not in value
    }
    assert set(told) >= {"MLFLOW_BASIC_AUTH_FAIL_CLOSED", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION"}
    return {
        **os.environ,
        **told,
        "PYTHONPATH": str(ROOT),
        "MLFLOW_AUTH_CONFIG_PATH": str(place / "accounts.ini"),
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "0" * 32,
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{place}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(place / "artifacts"),
        "MLFLOW_HOST": "127.0.0.1",
        "MLFLOW_WORKERS": "1",
        # As the script has it: a worker has time to load on a busy machine.
        "MLFLOW_UVICORN_OPTS": re.findall(r'MLFLOW_UVICORN_OPTS="(.*)"', text)[0],
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    place = tmp_path_factory.mktemp("tracking")
    environment = _told_by_the_script(place)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--serve-artifacts", "--port", str(port)],
            env=environment, cwd=place, stdout=log, stderr=log,
        )  # fmt: skip
    made = Server(f"http://127.0.0.1:{port}", place, {}, environment)
    try:
        _wait_until_it_answers(made, process)
        yield Server(made.address, place, _filled(made), environment)
    finally:
        started = [process, *psutil.Process(process.pid).children(recursive=True)]
        for one in started:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                one.kill()
        process.wait()


def _wait_until_it_answers(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + UP_WITHIN_S
    while True:
        with contextlib.suppress(OSError):
            if server.ask(ADMIN, "GET", "/version", b"")[0] == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError((server.place / "log").read_text()[-3000:])
        time.sleep(0.1)


def _filled(server: Server) -> dict[str, str]:
    """Experiment, run and file, and the reader's account, made by the administrator."""

    def make(path: str, **body: Any) -> Any:
        code, text = server.ask(ADMIN, "POST", f"/api/2.0/mlflow/{path}", json.dumps(body).encode())
        assert code == 200, text
        return json.loads(text)

    make("users/create", username=READER[0], password=READER[1])
    experiment = make("experiments/create", name="digits")["experiment_id"]
    run = make("runs/create", experiment_id=experiment)["run"]["info"]["run_id"]
    make("registered-models/create", name="mine")
    file = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt"
    assert server.ask(ADMIN, "PUT", file, b"a")[0] == 200
    return {"experiment": experiment, "run": run}


def _routes(server: Server) -> list[tuple[str, str]]:
    listed = subprocess.run(
        [sys.executable, "-m", "tests.docker.served_routes"], cwd=server.place, text=True,
        env={**server.environment, "_MLFLOW_SGI_NAME": "uvicorn",
             "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true"},
        capture_output=True, check=False,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    return [(method, path) for method, path in json.loads(listed.stdout)]


def _filled_in(path: str, ids: Mapping[str, str]) -> str:
    """A route's path with what is there in the place of what it names."""

    def value(found: re.Match[str]) -> str:
        name = found[0].strip("<>{}").rpartition(":")[2]
        if "artifact" in name or name in ("path", "filepath"):
            return f"{ids['experiment']}/{ids['run']}/artifacts/a.txt"
        return ids["run"] if "run" in name else ids["experiment"] if "experiment" in name else "1"

    return re.sub(r"<[^>]+>|\{[^}]+\}", value, path)


def _body(ids: Mapping[str, str]) -> bytes:
    """What the most routes ask for, so that none is refused for want of it."""
    said = {
        **dict.fromkeys(("run_id", "run_uuid"), ids["run"]),
        **dict.fromkeys(("experiment_id", "name", "new_name", "key", "value"), ids["experiment"]),
        **{"experiment_ids": [ids["experiment"]], "status": "FAILED", "metrics": [], "tags": []},
        **{"username": ADMIN[0], "password": "another password", "is_admin": True, "version": "1"},
        **{"path": f"{ids['run']}/artifacts/b.txt", "resource_type": "experiment"},
    }
    return json.dumps(said).encode()


def test_every_door_that_changes_something_is_shut_for_a_reader(server: Server) -> None:
    body = _body(server.ids)
    doors = [(m, p) for m, p in _routes(server) if m not in HARMLESS]
    assert len(doors) > 150
    before = server.content()
    opened = {}
    for method, path in doors:
        if method == "POST" and (path.endswith(QUESTIONS) or path == "/graphql"):
            continue
        status, said = server.ask(READER, method, _filled_in(path, server.ids), body)
        # Where Flask knows no such method there, it says so to whoever asks.
        if status not in (401, 403):
            opened[f"{method} {path}"] = (status, said[:200])
    assert opened == {}
    assert server.content() == before


def test_what_is_asked_changes_nothing(server: Server) -> None:
    """Every question that is asked by POST, whatever the answer."""
    before = server.content()
    for method, path in _routes(server):
        if method == "POST" and (path.endswith(QUESTIONS) or path == "/graphql"):
            server.ask(READER, method, _filled_in(path, server.ids), _body(server.ids))
    rows, files = server.content()
    assert [row for row in rows if row not in before[0]] == []
    assert (len(rows), files) == (len(before[0]), before[1])


def test_a_reader_reads(server: Server) -> None:
    ids, api = server.ids, "/api/2.0/mlflow"
    searched = json.dumps({"experiment_ids": [ids["experiment"]], "max_results": 10}).encode()
    for path in (f"{api}/runs/search", "/ajax-api/2.0/mlflow/runs/search"):
        status, text = server.ask(READER, "POST", path, searched)
        assert (status, ids["run"] in text.decode()) == (200, True)
    status, text = server.ask(READER, "GET", f"{api}/runs/get?run_id={ids['run']}")
    assert (status, ids["run"] in text.decode()) == (200, True)
    file = f"/api/2.0/mlflow-artifacts/artifacts/{ids['experiment']}/{ids['run']}/artifacts/a.txt"
    assert server.ask(READER, "GET", file) == (200, b"a")


def test_the_same_doors_are_open_to_the_administrator(server: Server) -> None:
    """Else nothing is shown by their being shut."""
    for name, body in (
        ("experiments/create", {"name": "other"}),
        ("runs/set-tag", {"run_id": server.ids["run"], "key": "a", "value": "b"}),
        ("registered-models/create", {"name": "other"}),
    ):
        path, text = f"/api/2.0/mlflow/{name}", json.dumps(body).encode()
        assert server.ask(READER, "POST", path, text)[0] == 403
        assert server.ask(ADMIN, "POST", path, text)[0] == 200


def test_a_stranger_gets_in_nowhere(server: Server) -> None:
    """But to what says that the server is up, and how one logs in."""
    public = re.compile(r"/(health|static-files/.*|version)|.*/server-info")
    for method, path in _routes(server):
        # What a dashboard asks has the same answers under another prefix.
        if method in ("HEAD", "OPTIONS") or public.fullmatch(path) or "/ajax-api/" in path:
            continue
        status, _ = server.ask(("eve", "guessed"), method, _filled_in(path, server.ids))
        assert status in (401, 403), f"{method} {path}"


def test_a_reader_changes_its_own_password_and_no_others(server: Server) -> None:
    path = f"/api/2.0/mlflow/{OWN}"

    def change(user: str, new: str) -> int:
        body = {"username": user, "password": new, "current_password": READER[1]}
        return server.ask(READER, "PATCH", path, json.dumps(body).encode())[0]

    assert change(ADMIN[0], "another password") == 403
    # The last of its kind here, for who reads has another password from now on.
    assert change(READER[0], "a third password") == 200

"""The proxy before the tracking server: what passes, what is late, what it answers itself."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from tests.chaos_cluster.commanded import Commanded

HOST = "127.0.0.1"


class Server(BaseHTTPRequestHandler):
    """Answers with what it was sent, and keeps a list of it."""

    seen: list[bytes] = []  # noqa: RUF012 - of all its instances

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(body)
        self.send_response(201)
        self.send_header("X-Path", self.path)
        self.send_header("X-Key", self.headers["Authorization"] or "")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    Server.seen.clear()
    with ThreadingHTTPServer((HOST, 0), Server) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture
def proxy(server: ThreadingHTTPServer, tmp_path: Path) -> Iterator[tuple[Commanded, str]]:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    behind = f"http://{HOST}:{server.server_port}"
    proxy = Commanded((), "proxy", HOST, str(port), behind, log=tmp_path / "log")
    yield proxy, f"http://{HOST}:{port}/api/runs?a=%2F"
    proxy.end()


def test_requests_and_answers_pass_as_they_are(proxy: tuple[Commanded, str]) -> None:
    _, address = proxy
    answer = requests.post(address, data=b"\0" * 100_000, headers={"Authorization": "Basic x"})
    assert answer.status_code == 201
    assert answer.content == b"\0" * 100_000
    assert answer.headers["X-Path"] == "/api/runs?a=%2F"
    assert answer.headers["X-Key"] == "Basic x"


def test_a_slow_answer_is_the_same_later(proxy: tuple[Commanded, str]) -> None:
    commanded, address = proxy
    commanded.tell("slow 0.5")
    began = time.monotonic()
    assert requests.post(address, data=b"one").content == b"one"
    assert time.monotonic() - began >= 0.5


def test_an_error_is_told_in_the_server_s_place(proxy: tuple[Commanded, str]) -> None:
    commanded, address = proxy
    commanded.tell("error")
    assert requests.post(address, data=b"one").status_code == 500
    assert Server.seen == []
    commanded.tell("ok")
    assert requests.post(address, data=b"two").status_code == 201


def test_a_server_that_is_away_is_seen_to_be_away(
    proxy: tuple[Commanded, str], server: ThreadingHTTPServer
) -> None:
    server.shutdown()
    server.server_close()
    with pytest.raises(requests.ConnectionError):
        requests.post(proxy[1], data=b"one")

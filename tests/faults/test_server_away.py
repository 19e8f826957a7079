"""A tracking server that is killed in mid-sweep and comes back: everything is there once."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient

from tests.faults.launcher import (
    FIRST_ASKED,
    ONE_AT_A_TIME,
    SEARCH_UNDER_WAY,
    assert_whole,
    finish,
    start,
    wait_for_trials,
    write_spec,
)

# So that whoever waits for the server asks again within seconds.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1"}


# The server's queues for other uses of it would take all of a small machine.
WITHOUT_JOBS = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


class Server:
    """MLflow's own server on the loopback, over the store that ``runs`` would have."""

    def __init__(self, runs: Path) -> None:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self._port}"
        self._runs = runs
        self.start()

    def start(self) -> None:
        """Serve; it answers when this returns."""
        places = [
            f"--backend-store-uri=sqlite:///{self._runs / 'mlflow.db'}",
            f"--artifacts-destination={self._runs / 'artifacts'}",
        ]
        address = ["--host=127.0.0.1", f"--port={self._port}", "--workers=1"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *places, *address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **WITHOUT_JOBS},
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        """End the server and its workers, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.uri}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False


@pytest.fixture
def server(tmp_path: Path, empty_store: Path) -> Iterator[Server]:
    runs = tmp_path / "runs"
    runs.mkdir()
    (runs / "mlflow.db").write_bytes(empty_store.read_bytes())
    server = Server(runs)
    yield server
    server.kill()


def test_a_server_that_is_killed_and_comes_back_has_everything_once(
    server: Server, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    options = ("--tracking-uri", server.uri, *ONE_AT_A_TIME)
    process = start(write_spec(tmp_path), runs, *options, environment=IMPATIENT)
    wait_for_trials(process, runs, FIRST_ASKED)
    server.kill()
    wait_for_trials(process, runs, SEARCH_UNDER_WAY)  # training goes on
    server.start()
    finish(process)
    assert_whole(runs)
    assert (runs / "faults" / "mlflow.spool").read_bytes() == b""
    assert_each_metric_once(runs)


def assert_each_metric_once(runs: Path) -> None:
    """And in order, in every run."""
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faults")
    assert experiment is not None
    for found in client.search_runs([experiment.experiment_id], max_results=1000):
        if "key" in found.data.tags and found.data.metrics:
            history = client.get_metric_history(found.info.run_id, "validation_loss")
            epochs = int(found.data.metrics["epochs_trained"])
            assert [metric.step for metric in history] == list(range(1, epochs + 1))
            assert [m.timestamp for m in history] == sorted(m.timestamp for m in history)

"""A Ray cluster of real processes on the loopback, whose nodes can be killed and added."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.launcher import COMMAND, EMPTY_STORE

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a-token-of-these-tests-alone-0123456789"}
# An option of nodes that may train what asks for a gate.
GATE = '--resources={"gate": 1}'
DEADLINE = 120.0  # seconds
# What is gone is noticed within seconds instead of a minute.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}
# Below the ports that Ray gives to workers; each is tried once, and tests side by side begin apart.
_UNTRIED = iter(range(6400 + os.getpid() % 30 * 100, 9900))


class RayCluster:
    """A head that trains nothing, and nodes of one CPU each."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """``environment``: variables of every node beside the usual; with it comes a dashboard."""
        self._places: list[str] = []
        self._environment = {**ENVIRONMENT, **(environment or {})}
        port, dashboard, client = _free_ports(3)
        self.address, self.dashboard = f"{HOST}:{port}", f"http://{HOST}:{dashboard}"
        self.client = f"ray://{HOST}:{client}"
        options = ["--include-dashboard=false"]
        if environment is not None:
            options = [f"--dashboard-host={HOST}", f"--dashboard-port={dashboard}"]
        options += [f"--port={port}", f"--ray-client-server-port={client}"]
        self._head = self._ray("--head", "--num-cpus=0", *options)
        _wait_until_up(self._head)
        self._nodes: list[subprocess.Popen[bytes]] = []

    def add_node(self, *options: str) -> None:
        """Let one more node join, started with some more options; it has when this returns."""
        self._nodes.append(self._ray(f"--address={self.address}", "--num-cpus=1", *options))
        _wait_until_up(self._nodes[-1])

    def kill_node(self, place: int = 0) -> None:
        """End all processes of a node at once, by default of the one that joined first."""
        _kill(self._nodes.pop(place))

    def kill_head(self) -> None:
        """End all processes of the head, at once."""
        _kill(self._head)

    def stop(self) -> None:
        """End everything that is left."""
        for node in (*self._nodes, self._head):
            if node.poll() is None:
                _kill(node)
        for place in self._places:
            shutil.rmtree(place, ignore_errors=True)

    def _ray(self, *options: str) -> subprocess.Popen[bytes]:
        """A node that starts, in a session of its own."""
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
        common = ["--disable-usage-stats", f"--node-ip-address={HOST}"]
        # Nodes of one machine would take the same port and the same files: only one would get the
        # first, and they would delete the second under each other's jobs.
        self._places.append(tempfile.mkdtemp(prefix="almkd-"))
        common += [f"--dashboard-agent-listen-port={_free_ports(1)[0]}"]
        common += [f"--temp-dir={self._places[-1]}"]
        return subprocess.Popen(
            [*command, *options, *common],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self._environment},
            start_new_session=True,
        )


def head_environment(folder: Path) -> dict[str, str]:
    """What an image gives the head: the command, where sweeps are kept, the token."""
    command = folder / "bin" / "almkd"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{COMMAND[-1]}" "$@"\n')
    command.chmod(0o755)
    runs = folder / "runs"
    runs.mkdir()
    shutil.copy(EMPTY_STORE[0], runs)
    return {
        **TOKEN,
        "GRPC_ENABLE_FORK_SUPPORT": "0",
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ALMKD_RUNS": str(runs),
    }


def wait_for(what: Callable[[], object]) -> None:
    """Wait until something is true; it must become so in time."""
    deadline = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def ray_cluster(environment: Mapping[str, str] | None = None) -> Iterator[RayCluster]:
    """A cluster with one node beside its head, ended with the block."""
    cluster = RayCluster(environment)
    try:
        cluster.add_node()
        yield cluster
    finally:
        cluster.stop()


def _wait_until_up(node: subprocess.Popen[bytes]) -> None:
    assert node.stdout is not None
    said = b""
    for line in node.stdout:
        said += line
        if b"Ray runtime started" in line:
            return
    raise AssertionError(said.decode())


def _kill(node: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(node.pid, signal.SIGKILL)
    node.wait()
    assert node.stdout is not None
    node.stdout.close()


def _free_ports(count: int) -> list[int]:
    """Free ports, none of which this process was given before."""
    found: list[int] = []
    for port in _UNTRIED:
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            found.append(port)
            if len(found) == count:
                return found
    raise AssertionError("no free ports")

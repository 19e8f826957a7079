"""A Ray cluster of real processes on the loopback, whose nodes can be killed and added."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
# What is gone is noticed within seconds instead of a minute.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "5",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}
# Below the ports that Ray gives to workers.
PORTS = range(6400, 9900)


class RayCluster:
    """A head that trains nothing, and nodes of one CPU each."""

    def __init__(self) -> None:
        self.address = f"{HOST}:{_free_port()}"
        port = self.address.rpartition(":")[2]
        self._head = _ray("--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false")
        _wait_for(self._head)
        self._nodes: list[subprocess.Popen[bytes]] = []

    def add_node(self) -> None:
        """Let one more node join; it has when this returns."""
        self._nodes.append(_ray(f"--address={self.address}", "--num-cpus=1"))
        _wait_for(self._nodes[-1])

    def kill_node(self) -> None:
        """End all processes of the node that joined first, at once."""
        _kill(self._nodes.pop(0))

    def kill_head(self) -> None:
        """End all processes of the head, at once."""
        _kill(self._head)

    def stop(self) -> None:
        """End everything that is left."""
        for node in (*self._nodes, self._head):
            if node.poll() is None:
                _kill(node)


@contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """A cluster with one node beside its head, ended with the block."""
    cluster = RayCluster()
    try:
        cluster.add_node()
        yield cluster
    finally:
        cluster.stop()


def _ray(*options: str) -> subprocess.Popen[bytes]:
    """A node that starts, in a session of its own."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    common = ["--disable-usage-stats", f"--node-ip-address={HOST}"]
    return subprocess.Popen(
        [*command, *options, *common],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **ENVIRONMENT},
        start_new_session=True,
    )


def _wait_for(node: subprocess.Popen[bytes]) -> None:
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


def _free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise AssertionError("no free port")

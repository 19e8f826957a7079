"""The services of compose.yaml as plain processes, each on a host, with its environment there.

Only what a container brings along is put in its place: paths below the work directory, and names
and ports of services by the addresses of their hosts.
"""

import os
import pwd
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.rehearsal.compose import ROOT, Service, services
from tests.rehearsal.hosts import OWN, Host, Network
from tests.rehearsal.processes import kill_tree

PROGRAMS = "/opt/almkd/docker"
INIT = (sys.executable, "-m", "tests.rehearsal.init")
HEALTHY_WITHIN_S = 300.0
# The variable of each service that says where it listens, with the port it has there.
PORTS = {
    "postgres": {"PGPORT": 5432},
    "mlflow": {"MLFLOW_PORT": 5000},
    "ray-head": {"RAY_PORT": 6379, "RAY_DASHBOARD_PORT": 8265, "RAY_AGENT_PORT": 52365},
    "ray-worker": {"RAY_AGENT_PORT": 52365},
}
# What one host of them has is what the others call it by.
SINGLE = ("postgres", "mlflow", "ray-head")


class NotHealthy(Exception):
    """A service that did not come up."""


@dataclass
class Node:
    """A service that runs on a host."""

    service: Service
    host: Host
    environment: dict[str, str]
    health: list[str]
    log: Path
    process: subprocess.Popen[bytes]

    def end(self) -> None:
        """End it and all it started, at once."""
        kill_tree(self.process.pid)
        self.process.wait()


@dataclass
class Stack:
    """The services, to be started on the hosts of a network, kept below a directory.

    ``hook``: a directory that workers look for modules in before any other, if there is one.
    """

    network: Network
    place: Path
    secrets: Path
    hook: Path | None = None
    nodes: dict[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._services = services()
        self._ports = {
            (name, usual): self.network.port(usual)
            for name in SINGLE
            for usual in PORTS[name].values()
        }
        shutil.copytree(ROOT / "docker", self.programs, ignore=shutil.ignore_patterns("secrets"))
        self._user = _unprivileged()

    @property
    def programs(self) -> Path:
        """The scripts of docker/, where every user can read them."""
        return self.place / "docker"

    def at(self, service: str, usual: int) -> str:
        """HOST:PORT at which others find a service."""
        return f"{self.network.hosts[service].address}:{self._ports[service, usual]}"

    def start(self, name: str, service: str | None = None) -> Node:
        """Start a service on the host of that name; it is not healthy yet."""
        node = self._services[service or name]
        host = self.network.hosts[name]
        translated = self._translation(name, node)
        environment = self.environment(name, node)
        log = self.place / f"{name}.log"
        with log.open("ab") as file:
            process = subprocess.Popen(
                [
                    *host.enter,
                    *(INIT if node.init else ()),
                    *self._as_user(node),
                    *_translate(node.command, translated),
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=self.place,
                start_new_session=True,
            )
        health = _translate(node.health, translated)
        self.nodes[name] = Node(node, host, environment, health, log, process)
        return self.nodes[name]

    def wait(self, *names: str) -> None:
        """Wait until the services are healthy, by the test that compose.yaml has for each."""
        deadline = time.monotonic() + HEALTHY_WITHIN_S
        for name in names:
            while not is_healthy(node := self.nodes[name]):
                ended = node.process.poll() is not None
                if time.monotonic() > deadline or (ended and not node.service.restarts):
                    raise NotHealthy(f"{name} did not come up:\n{node.log.read_text()[-4000:]}")
                if ended:
                    node.end()
                    self.start(name, node.service.name)
                time.sleep(0.2)

    def environment(self, name: str, service: Service) -> dict[str, str]:
        """What a service's process finds on its host, and nothing of ours but the path."""
        translated = self._translation(name, service)
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.place),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
        }
        for key, value in service.environment.items():
            environment[key] = _translate([value], translated)[0]
        for variable, usual in PORTS.get(service.name, {}).items():
            environment[variable] = str(self._ports_of(service.name, name)[usual])
        if service.name == "ray-worker" and self.hook:
            environment["PYTHONPATH"] = f"{self.hook}{os.pathsep}{ROOT}"
        if service.name.startswith("ray"):
            # Short, for the names of sockets are; containers have a /tmp each.
            environment["RAY_TMPDIR"] = str(self.place / f"t{list(self.network.hosts).index(name)}")
            if not self.network.apart:
                environment["RAY_NODE_IP"] = self.network.hosts[name].address
        return environment

    def secrets_of(self, name: str, service: Service) -> Path:
        """A directory with those secrets that the service is given, and no other."""
        directory = self.place / "secrets" / name
        if not directory.exists():
            directory.mkdir(parents=True)
            for secret in service.secrets:
                shutil.copy(self.secrets / secret, directory)
        return directory

    def _translation(self, name: str, service: Service) -> dict[str, str]:
        found = {
            f"{PROGRAMS}/": f"{self.programs}/",
            "/run/secrets": str(self.secrets_of(name, service)),
        }
        for volume, directory in service.volumes.items():
            found[directory] = str(self._volume(volume, service))
        for (other, usual), port in self._ports.items():
            found[f"{other}:{usual}"] = f"{self.network.hosts[other].address}:{port}"
        host = self.network.hosts[name]
        for usual, port in self._ports_of(service.name, name).items():
            found[f"{OWN}:{usual}"] = f"{host.own}:{port}"
            found[f"--port={usual}"] = f"--port={port}"
        if not self.network.apart:
            # Whatever listens on all addresses of its host listens on the one that it has.
            found |= {"0.0.0.0": host.own, f"--host={OWN}": f"--host={host.own}"}
        return found

    def _ports_of(self, service: str, name: str) -> dict[int, int]:
        usual = PORTS.get(service, {}).values()
        if service in SINGLE:
            return {port: self._ports[service, port] for port in usual}
        for port in usual:
            self._ports.setdefault((name, port), self.network.port(port))
        return {port: self._ports[name, port] for port in usual}

    def _volume(self, volume: str, service: Service) -> Path:
        directory = self.place / "volumes" / volume
        if not directory.exists():
            directory.mkdir(parents=True)
            if service.name == "postgres" and self._user:
                shutil.chown(directory, self._user, self._user)
        return directory

    def _as_user(self, service: Service) -> list[str]:
        """PostgreSQL refuses to be run by root."""
        if service.name != "postgres" or not self._user:
            return []
        ids = pwd.getpwnam(self._user)
        return ["setpriv", f"--reuid={ids.pw_uid}", f"--regid={ids.pw_gid}", "--clear-groups"]


def _unprivileged() -> str | None:
    """The user that PostgreSQL runs as where this one is root."""
    if os.geteuid() != 0:
        return None
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"


def _translate(texts: list[str], translation: dict[str, str]) -> list[str]:
    for old, new in translation.items():
        texts = [text.replace(old, new) for text in texts]
    return texts


def is_healthy(node: Node) -> bool:
    """By the test that compose.yaml has for the service."""
    done = subprocess.run(
        [*node.host.enter, *node.health], capture_output=True, env=node.environment, check=False
    )
    return done.returncode == 0

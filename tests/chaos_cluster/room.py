"""The stack on hosts of its own, with what faults need: cables that can be cut, a proxy before the
tracking server, a small disk for the head's sweeps, and services that come up again.

What has ended by itself is started again, as `restart: unless-stopped` of compose.yaml has it; of
its host nothing is left then, as of a container.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.chaos_cluster.commanded import Commanded
from tests.chaos_cluster.wiring import put_cable
from tests.faults import cluster
from tests.rehearsal.compose import Service
from tests.rehearsal.hosts import Host
from tests.rehearsal.processes import kill
from tests.rehearsal.stack import Stack

WORKERS = ("ray-worker-1", "ray-worker-2", "ray-worker-3")
# Where the proxy is, and who looks into the databases: nothing happens to them.
ASIDE = "aside"
HOSTS = ("postgres", "mlflow", "ray-head", *WORKERS, "client", ASIDE)
# What is gone is noticed within seconds instead of a minute, by the head and by who has lost it.
SOON = {
    **{key: value for key, value in cluster.ENVIRONMENT.items() if key != "RAY_AUTH_MODE"},
    "RAY_health_check_timeout_ms": "1000",
}
# The same for a client of `ray://`.
CLIENT_SOON = {"RAY_CLIENT_RECONNECT_GRACE_PERIOD": "5"}
PROXY_PORT = 5000
# Of the head's runs directory. A sweep leaves a few megabytes there.
DISK = "64m"
FILLER = "filler"


class Progress(NamedTuple):
    """How far a sweep is by both databases: trials and runs that have ended, and that run."""

    trials: int
    trials_running: int
    runs: int
    runs_running: int

    @property
    def in_flight(self) -> int:
        """What has begun and not ended."""
        return self.trials_running + self.runs_running


class Room(Stack):
    """The services of compose.yaml, with means to disturb them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.cables: dict[str, Commanded] = {}
        # Services that are not started again meanwhile.
        self.held_down: set[str] = set()

    @property
    def runs(self) -> Path:
        """The head's runs directory."""
        return self.place / "volumes" / "runs"

    def environment(self, name: str, service: Service) -> dict[str, str]:
        """As the stack has it, but for what is noticed soon, and for the proxy."""
        found = super().environment(name, service)
        if service.name.startswith("ray"):
            found |= SOON
        if service.name == "ray-head":
            found["MLFLOW_TRACKING_URI"] = f"http://{self._aside.address}:{PROXY_PORT}"
        if service.name == "almkd":
            found |= CLIENT_SOON
        return found

    def bring_up(self) -> None:
        """Start everything, and wait until it answers."""
        self.cables = {
            name: put_cable(self.network, name, self.place / "cables.log") for name in WORKERS
        }
        subprocess.run(
            [self.programs / "make-secrets.sh", self.secrets],
            env={**os.environ, "ALMKD_DATABASE": self.at("postgres", 5432)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        for names in (("postgres",), ("mlflow",), ("ray-head",), WORKERS):
            for name in names:
                self.start(name, "ray-worker" if name in WORKERS else None)
            self.wait(*names)
        server = f"http://{self.at('mlflow', 5000)}"
        self.proxy = Commanded(
            self._aside.enter, "proxy", self._aside.address, str(PROXY_PORT), server,
            log=self.place / "proxy.log",
        )  # fmt: skip
        passwords = {
            owner.upper(): (self.secrets / f"{owner}_db_password").read_text(encoding="utf-8")
            for owner in ("optuna", "mlflow")
        }
        self._databases = Commanded(
            self._aside.enter, "progress", *self.at("postgres", 5432).split(":"),
            log=self.place / "progress.log", environment={**os.environ, **passwords},
        )  # fmt: skip

    def keep_up(self) -> None:
        """Start again what has ended by itself."""
        for name in set(self.nodes) - self.held_down:
            if self.nodes[name].process.poll() is not None:
                self.start_again(name)

    def start_again(self, name: str) -> None:
        """End a service, with all that runs on its host, and start it; it is not healthy yet."""
        service = self.nodes[name].service.name
        self.kill(name)
        self.start(name, service)

    def kill(self, name: str) -> None:
        """End all that runs on a service's host, at once."""
        kill(self.processes(name))
        self.nodes[name].process.wait()

    def processes(self, name: str) -> list[psutil.Process]:
        """All that runs on a host."""
        namespace = self.network.hosts[name].enter[-1]
        listed = subprocess.run(
            ["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True
        )
        found = []
        for pid in listed.stdout.split():
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(int(pid)))
        return found

    def progress(self, sweep: str) -> Progress | None:
        """How far a sweep is; None while a database does not answer."""
        found = self._databases.ask(f"progress {sweep}")
        return found and Progress(*found["trials"], *found["runs"])

    def broken_curves(self, sweep: str) -> int:
        """Runs of which an epoch is not there, or is there twice."""
        found: int = self._databases.ask(f"curves {sweep}")
        return found

    def fill_disk(self) -> None:
        """Leave no byte free where the head keeps its sweeps."""
        with (self.runs / FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * (1 << 16))

    def free_disk(self) -> None:
        """Undo that."""
        (self.runs / FILLER).unlink(missing_ok=True)

    @property
    def _aside(self) -> Host:
        return self.network.hosts[ASIDE]


@contextmanager
def small_disk(directory: Path) -> Iterator[None]:
    """A small file system in memory at a directory, which is made."""
    directory.mkdir(parents=True)
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", directory],
        check=True,
        capture_output=True,
    )
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=False, capture_output=True)

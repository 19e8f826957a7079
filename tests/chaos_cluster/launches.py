"""What a user does for a sweep: launches it, follows it, and gives the same command again until it
is complete."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from tests.rehearsal.client import NAME, Client
from tests.rehearsal.stack import Stack

RAY_CLIENT_PORT = 10001
# Between the end of a launch and the next, in seconds.
PAUSE_S = 2.0
# So many processes may be lost on the way.
PATIENT = ("--set", "resources.retries=50")
# What a launch says of a sweep whose job is there.
ON_ITS_WAY = "follow it with almkd watch"


class Launches:
    """A sweep of a name, and the client's command that is there for it, if there is one."""

    def __init__(self, stack: Stack, client: Client, spec: Path, name: str, attended: bool) -> None:
        """``attended``: through `ray://`, else submitted and waited for."""
        self._stack, self._client, self._spec = stack, client, spec
        self.name, self.is_attended = name, attended
        self.log = stack.place / f"{name}.log"
        self.launches = 0
        self._enter = stack.network.hosts[NAME].enter
        self._next = time.monotonic()
        self._process: subprocess.Popen[bytes] | None = None
        self._launches_now = self._watches_next = False

    def look(self) -> bool:
        """Whether a launch has ended well. One that has ended otherwise is followed by another."""
        if self._process is None:
            if time.monotonic() >= self._next:
                self._go_on()
            return False
        code = self._process.poll()
        if code is None:
            return False
        if code == 0 and self._launches_now:
            return True
        self._watches_next = self._launches_now and ON_ITS_WAY in self._said()
        self._process, self._next = None, time.monotonic() + PAUSE_S
        return False

    def is_followed(self) -> bool:
        """Whether a launch of the client waits for the sweep."""
        return self._launches_now and self._process is not None and self._process.poll() is None

    def kill_client(self) -> None:
        """End the client's command, at once."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._watches_next = not self.is_attended
        self._process = None

    def give_up(self) -> None:
        """End it as a user does who waits no longer."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        with self.log.open("ab") as file:
            subprocess.run(
                [*self._enter, "almkd", "stop", self.name, "--address", self._client.cluster],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=self._client.environment,
                check=False,
            )  # fmt: skip

    def _go_on(self) -> None:
        if self._watches_next:
            self._launches_now = False
            self._start("watch", self.name, "--address", self._client.cluster)
            return
        self.launches += 1
        self._launches_now = True
        there = ("--address", self._client.cluster, "--wait")
        if self.is_attended:
            host = self._stack.network.hosts["ray-head"].address
            there = ("--address", f"ray://{host}:{RAY_CLIENT_PORT}")
        self._start("launch", str(self._spec), "--set", f"name={self.name}", *PATIENT, *there)

    def _start(self, *arguments: str) -> None:
        with self.log.open("ab") as file:
            self._began = file.tell()
            self._tell(file, arguments)
            self._process = subprocess.Popen(
                [*self._enter, "almkd", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=self._client.environment,
                cwd=self._stack.place,
            )

    @staticmethod
    def _tell(file: IO[bytes], arguments: tuple[str, ...]) -> None:
        file.write(f"{time.strftime('%H:%M:%S')} $ almkd {' '.join(arguments)}\n".encode())
        file.flush()

    def _said(self) -> str:
        """What the last command printed."""
        with self.log.open("rb") as file:
            file.seek(self._began)
            return file.read().decode(errors="replace")

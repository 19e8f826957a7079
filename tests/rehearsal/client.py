"""A machine with the client on it: addresses, a token and a password, and nothing else."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tests.rehearsal.compose import services
from tests.rehearsal.stack import Stack

NAME = "client"
# Variables of the client: where the cluster is, what opens it, what opens the tracking server.
CLUSTER = "RAY_API_SERVER_ADDRESS"
TOKEN = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")
PASSWORD = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD_FILE")
# Ten times what it takes, for a machine that has other work too.
TAKES_AT_MOST_S = 600.0


class Client:
    """Runs commands on the client's host, with the environment of compose.yaml's client."""

    def __init__(self, stack: Stack) -> None:
        self._host = stack.network.hosts[NAME]
        self._place = stack.place
        self.environment = stack.environment(NAME, services()["almkd"])
        # Its own network's: in the stack the names of services are known.
        self.cluster = f"http://{stack.at('ray-head', 8265)}"
        self.tracking = f"http://{stack.at('mlflow', 5000)}"

    def start(
        self, *command: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """A command on the client's host."""
        return subprocess.Popen(
            [*self._host.enter, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=dict(self.environment if environment is None else environment),
            cwd=self._place,
        )

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit code of a command and what it printed."""
        process = self.start(*command, environment=environment)
        printed, _ = process.communicate(timeout=TAKES_AT_MOST_S)
        return process.returncode, printed

    def almkd(self, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What an almkd command printed; it must end well."""
        code, printed = self.run("almkd", *arguments, environment=environment)
        if code != 0:
            raise CommandFailed(f"almkd {' '.join(arguments)}: exit code {code}\n{printed}")
        return printed

    def ask(self, module: str, *arguments: str) -> Any:
        """What a module of this package, run on the client's host, found."""
        code, printed = self.run(sys.executable, "-m", f"tests.rehearsal.{module}", *arguments)
        if code != 0:
            raise CommandFailed(f"{module}: exit code {code}\n{printed}")
        return json.loads(printed)

    def without(self, *names: str, **instead: str) -> dict[str, str]:
        """The environment without some variables, and with others."""
        kept = {key: value for key, value in self.environment.items() if key not in names}
        return {**kept, **instead}


class CommandFailed(Exception):
    """A command of the client that should have ended well."""

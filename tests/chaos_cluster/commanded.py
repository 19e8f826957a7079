"""Helpers in processes of their own, on some host, that are told things line by line."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.rehearsal.compose import ROOT

ENDS_WITHIN_S = 10.0


class Commanded:
    """A module of this package that answers each line on standard input with one; it ends with its
    input."""

    def __init__(
        self,
        enter: Sequence[str],
        module: str,
        *arguments: str,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """``enter``: what puts a command on its host. RuntimeError if it does not start."""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [*enter, sys.executable, "-m", f"tests.chaos_cluster.{module}", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=None if environment is None else dict(environment),
                cwd=ROOT,
            )
        self._module, self._log = module, log
        self._answer()

    def tell(self, line: str) -> str:
        """Its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._answer()

    def ask(self, line: str) -> Any:
        """Its answer, which is JSON."""
        return json.loads(self.tell(line))

    def end(self) -> None:
        """Close its input, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._module} has ended:\n{self._log.read_text()[-2000:]}")
        return line.strip()

"""A launch on the cluster's head that lasts no longer than who asked for it: an actor of Ray."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress

import ray

# How long nobody may ask before the launch is ended, in seconds. Ray Client gives a connection that
# broke 30 s to come back, and one that hangs ten minutes.
SILENCE = 60.0
# How long a question waits for something to tell, and how often it looks, in seconds.
ANSWERS_AFTER, LOOK_EVERY = 1.0, 0.05
MOST_BYTES = 1_000_000

# What was printed, on standard output and standard error.
Printed = tuple[bytes, bytes]


class SupervisedLaunch:
    """A command and what it prints. It is ended as by Ctrl-C when the actor is, however that goes.

    It runs as the driver of a submitted job does: in the environment of the head, with the actor's
    directory, which every node has, as its own.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Start ``command``."""
        # Files, not pipes: a launch that nobody reads must not wait for it.
        self._files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - of the actor
        supervisor = [sys.executable, "-P", "-m", "sweep.adapters.ray.supervisor", str(SILENCE)]
        self._process = subprocess.Popen(
            [*supervisor, *command],
            stdin=subprocess.PIPE,
            stdout=self._files[0],
            stderr=self._files[1],
            env={**os.environ, **_variables_of_a_job()},
            # Ray ends a worker together with its process group.
            start_new_session=True,
        )

    def read(self, since: tuple[int, int]) -> tuple[Printed, int | None]:
        """What was printed after so many bytes, and the exit code once all was read before.

        Waits a moment for something to tell.
        """
        self._show_life()
        deadline = time.monotonic() + ANSWERS_AFTER
        while True:
            code = self._process.poll()
            out, err = (
                os.pread(file.fileno(), MOST_BYTES, at)
                for file, at in zip(self._files, since, strict=True)
            )
            if out or err:
                return (out, err), None
            if code is not None or time.monotonic() > deadline:
                return (out, err), code
            time.sleep(LOOK_EVERY)

    def stop(self) -> None:
        """End it as by Ctrl-C; `read` tells when it has ended."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _show_life(self) -> None:
        """Let the supervisor know that somebody asks."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            # It may have ended.
            with suppress(BrokenPipeError):
                os.write(self._process.stdin.fileno(), b".")


def _variables_of_a_job() -> dict[str, str]:
    """What Ray sets for the driver of a submitted job."""
    context = ray.get_runtime_context()
    return {
        "RAY_JOB_CONFIG_JSON_ENV_VAR": json.dumps({"runtime_env": dict(context.runtime_env)}),
        "RAY_ADDRESS": context.gcs_address,
        "PYTHONUNBUFFERED": "1",
    }

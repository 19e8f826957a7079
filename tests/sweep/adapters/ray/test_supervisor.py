"""A command that is run for another process: it ends with that one, and is given time to."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

# Says when it can be asked to end, and writes down how often it was. With a second argument it
# gets ready for that only once it was asked.
COMMAND = """
import signal, sys, time
from pathlib import Path
while sys.argv[2:] and signal.SIGINT not in signal.sigpending():
    time.sleep(0.01)
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
print("begun", flush=True)
while not asked:
    time.sleep(0.01)
Path(sys.argv[1]).write_text(str(len(asked)))
sys.exit(130)
"""
HOUR, SOON = "3600", "0.1"  # seconds
DEADLINE = 30.0  # seconds


@contextmanager
def _keeper(silence_s: str, *command: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor as Ray's worker starts it, with SIGINT blocked, where it is ignored besides."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "sweep.adapters.ray.supervisor", silence_s, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    with process:
        yield process


def _waiting(place: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", COMMAND, str(place / "asked"))


def _begun(process: subprocess.Popen[str]) -> psutil.Process:
    """The command, once it can be asked to end."""
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return psutil.Process(process.pid).children(recursive=True)[-1]


def test_a_command_is_ended_once_nobody_holds_its_input(tmp_path: Path) -> None:
    with _keeper(HOUR, *_waiting(tmp_path)) as process:
        _begun(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE) == 130
    assert (tmp_path / "asked").read_text() == "1"


def test_a_command_that_is_still_loading_is_ended_once_it_can_hear(tmp_path: Path) -> None:
    with _keeper(HOUR, *_waiting(tmp_path), "late") as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(DEADLINE) == 130
    assert (tmp_path / "asked").read_text() == "1"


def test_a_command_is_ended_when_nothing_is_heard_any_more(tmp_path: Path) -> None:
    with _keeper(SOON, *_waiting(tmp_path)) as process:
        assert process.wait(DEADLINE) == 130
        assert process.stderr is not None
        assert "nothing was heard from the client for 0.1 s" in process.stderr.read()


def test_a_command_is_ended_truly_though_its_keeper_is_killed_first(tmp_path: Path) -> None:
    with _keeper(HOUR, *_waiting(tmp_path)) as process:
        command = _begun(process)
        # As Ray does with what a worker started.
        process.kill()
        process.wait()
        assert command.is_running()
        assert process.stdin is not None
        process.stdin.close()
        command.wait(DEADLINE)
    assert (tmp_path / "asked").read_text() == "1"


def test_exit_codes_come_through_and_sigterm_can_be_heard(tmp_path: Path) -> None:
    with _keeper(HOUR, sys.executable, "-c", "raise SystemExit(7)") as process:
        assert process.wait(DEADLINE) == 7
    with _keeper(HOUR, *_waiting(tmp_path)) as process:
        _begun(process).send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 128 + signal.SIGTERM


def test_a_head_without_the_command_is_told(tmp_path: Path) -> None:
    with _keeper(HOUR, str(tmp_path / "almkd"), "launch") as process:
        assert process.wait(DEADLINE) == 2
        assert process.stderr is not None
        assert "cannot be started on the cluster's head (No such file" in process.stderr.read()

"""Who runs a sweep is told, and can be stopped."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sweep.errors import BadInput
from sweep.lock import is_locked, locked, stop_owner

HOLDS = """
import sys, time
from pathlib import Path
from sweep.lock import locked
with locked(Path(sys.argv[1]), "mine"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def _another_process(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the sweep."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(directory)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def test_the_process_that_runs_a_sweep_is_stopped_and_waited_for(tmp_path: Path) -> None:
    with _another_process(tmp_path) as process:
        assert is_locked(tmp_path)
        with pytest.raises(BadInput, match=f"by process {process.pid} on .* since .* UTC"):
            locked(tmp_path, "mine").__enter__()
        assert stop_owner(tmp_path, "mine").pid == process.pid
        assert process.wait(10) == -15
    assert not is_locked(tmp_path)


def test_a_process_that_ended_is_not_told_to_stop_again(tmp_path: Path) -> None:
    with locked(tmp_path, "mine"):
        pass
    assert json.loads((tmp_path / "lock").read_text())["pid"]
    with pytest.raises(BadInput, match="mine: no launch of it runs"):
        stop_owner(tmp_path, "mine")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('{"host": "elsewhere", "pid": 1, "since": "noon"}', "process 1 on elsewhere since noon"),
        ("", "a process that cannot be told"),
        ("[]", "a process that cannot be told"),
    ],
)
def test_a_process_elsewhere_is_named_and_left_alone(
    tmp_path: Path, written: str, message: str
) -> None:
    with _another_process(tmp_path) as process:
        (tmp_path / "lock").write_text(written)
        with pytest.raises(BadInput, match=f"{message}; stop it there"):
            stop_owner(tmp_path, "mine")
        assert process.poll() is None

"""What is told of locks between machines, of processes that stand for them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.slurm import locks


def tasks(directory: Path, count: int) -> list[subprocess.Popen[str]]:
    """The tasks of a step, as srun starts them."""
    step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NTASKS": str(count)}
    return [
        subprocess.Popen(
            [sys.executable, "-m", "sweep.slurm.locks", str(directory)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **step, "SLURM_PROCID": str(rank)},
        )
        for rank in range(count)
    ]  # fmt: skip


def test_locks_that_hold_are_told_by_every_other_task_and_nothing_is_left(tmp_path: Path) -> None:
    first, *others = tasks(tmp_path, 3)
    for task in others:
        said, complaint = task.communicate(timeout=60)
        assert (task.returncode, complaint) == (0, "")
        assert said.endswith("locks hold between these machines\n")
    assert first.wait(timeout=60) == 0
    first.communicate()
    assert list(tmp_path.iterdir()) == []


def test_locks_that_do_not_hold_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where each machine has locks of its own: nobody is seen to hold them."""
    for name in ("held", "POSIX", "flock"):
        (tmp_path / name).touch()
    assert locks.ask(tmp_path, 1) == 1
    assert "POSIX and flock locks do not hold" in capsys.readouterr().err
    assert (tmp_path / "asked-1").exists()

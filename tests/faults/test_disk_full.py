"""A disk that is full in mid-sweep: a clear stop, and with more room the same command finishes."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from tests.faults.launcher import (
    FIRST_ASKED,
    ONE_AT_A_TIME,
    assert_whole,
    run,
    start,
    wait_for_trials,
    write_spec,
)

MIB = 2**20


def mount(*options: str) -> str:
    """What is wrong, if anything."""
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    return done.stderr.strip() or ("" if done.returncode == 0 else "mount failed")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    try:
        problem = mount("-t", "tmpfs", "-o", "size=8m", "almkd-tests", str(place))
    except FileNotFoundError:
        problem = "there is no mount here"
    if problem:
        pytest.skip(f"a small disk cannot be mounted: {problem}")
    try:
        yield place
    finally:
        # Lazily: a process that is just dying may still have a file open there.
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave no room."""
    with (disk / "ballast").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(MIB))


def test_a_full_disk_stops_the_sweep_and_the_same_command_finishes_it(
    small_disk: Path, tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    spec, runs = write_spec(tmp_path), small_disk / "runs"
    process = start(spec, runs, *ONE_AT_A_TIME)
    wait_for_trials(process, runs, FIRST_ASKED)
    fill(small_disk)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "Traceback" not in output, output
    (line,) = [line for line in output.splitlines() if line.startswith("almkd: ")]
    assert re.search("No space left on device|disk is full", line)
    assert "the same command goes on from here" in line
    assert not mount("-o", "remount,size=64m", str(small_disk))
    run(spec, runs, *ONE_AT_A_TIME)
    assert_whole(runs)
    pd.testing.assert_frame_equal(
        comparison_table(open_store(Places(runs)).record("faults"), 0), undisturbed
    )

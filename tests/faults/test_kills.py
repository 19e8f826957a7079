"""Processes that are killed: the same command goes on, and nothing tells that it was broken off."""

import signal
from pathlib import Path

import pandas as pd
import pytest

from tests.faults.launcher import (
    FIRST_ASKED,
    SEARCH_UNDER_WAY,
    SPEC,
    assert_whole,
    finish,
    kill,
    left,
    run,
    same,
    start,
    table,
    wait_for_trials,
    write_spec,
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_spec(tmp_path_factory.mktemp("spec"))


def test_a_killed_launcher_leaves_what_the_next_launch_goes_on_from(
    spec: Path, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    process = start(spec, tmp_path)
    wait_for_trials(process, tmp_path, SEARCH_UNDER_WAY)
    kill(process, "launcher")
    run(spec, tmp_path)
    assert_whole(tmp_path)
    assert same(table(tmp_path), undisturbed)


@pytest.mark.parametrize("target", ["RefereeActor", "Trainable"])
def test_a_killed_process_of_a_launch_is_replaced(
    target: str, spec: Path, undisturbed: pd.DataFrame, tmp_path: Path
) -> None:
    process = start(spec, tmp_path)
    wait_for_trials(process, tmp_path, FIRST_ASKED)
    assert kill(process, target)
    finish(process)
    assert_whole(tmp_path)
    assert same(table(tmp_path), undisturbed)


def test_a_process_that_hangs_is_ended_and_its_trials_fail(tmp_path: Path) -> None:
    spec = write_spec(tmp_path, SPEC + "resources: {silence_s: 5, retries: 1}\n")
    process = start(spec, tmp_path)
    # Not before: a teacher that fails takes the confirm runs of every cell along.
    wait_for_trials(process, tmp_path, SEARCH_UNDER_WAY)
    assert kill(process, "Trainable", signal.SIGSTOP)
    finish(process)
    assert left(tmp_path).orphaned == 0

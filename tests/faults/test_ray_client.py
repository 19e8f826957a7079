"""A sweep through Ray Client: it prints here, Ctrl-C here ends it, and it ends with its client."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import psutil
import pytest

from sweep.compare.comparison import comparison_table
from sweep.lock import is_locked
from sweep.places import Places, open_store
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process, runs_of
from tests.faults.cluster import DEADLINE, GATE, ROOT, TOKEN, RayCluster, head_environment, wait_for
from tests.faults.launcher import (
    COMMAND,
    FIRST_ASKED,
    SPEC,
    trial_states,
    write_spec,
    written,
)

# How long the cluster waits for a client that went, in seconds, instead of half a minute.
NOTICED = {"RAY_CLIENT_RECONNECT_GRACE_PERIOD": "1"}
# The least that is searched and confirmed; trained on nodes that were started with a gate.
GATED = (
    SPEC.replace("trials: 9", "trials: 3").replace("seeds: 3", "seeds: 1")
    + "resources: {custom: {gate: 0.5}}\n"
)


@dataclass(frozen=True)
class Stage:
    """A cluster whose head has the command, and a user's machine."""

    cluster: RayCluster
    laptop: Path
    places: Places

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """A launch from the user's machine."""
        return subprocess.Popen(
            [*COMMAND, "launch", "faults.yaml", "--address", self.cluster.client],
            cwd=self.laptop,
            env={**os.environ, "PYTHONPATH": str(ROOT), **TOKEN, **NOTICED, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def launch(self, **environment: str) -> tuple[int, str, str]:
        """A launch to its end: exit code, standard output, standard error."""
        process = self.start(**environment)
        out, err = process.communicate(timeout=DEADLINE)
        assert "Traceback" not in err
        return process.returncode, out, err

    def states(self) -> set[str]:
        """Of every run in MLflow and every trial in Optuna."""
        runs = {run.info.status for run in runs_of(open_store(self.places), "faults")}
        return runs | set(trial_states(self.places.runs_dir).values())

    @property
    def on_the_head(self) -> list[psutil.Process]:
        """The processes of launches there: the command itself, and what keeps it."""
        runs = str(self.places.runs_dir)
        return [process for process in psutil.process_iter() if _launches_into(process, runs)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    laptop = tmp_path / "laptop"
    laptop.mkdir()
    write_spec(laptop, GATED)
    cluster = RayCluster({**head_environment(tmp_path), **NOTICED})
    try:
        cluster.add_node(GATE)
        yield Stage(cluster, laptop, Places(tmp_path / "runs"))
    finally:
        cluster.stop()


def _launches_into(process: psutil.Process, runs: str) -> bool:
    try:
        words, environment = process.cmdline(), process.environ()
    except psutil.Error:
        return False
    return environment.get("ALMKD_RUNS") == runs and "launch" in words


def test_a_sweep_is_attended_to_and_ends_with_its_client(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _nothing_goes_without_the_token(stage)
    _ends_with_its_client(stage)
    _ends_by_ctrl_c(stage)
    stage.cluster.add_node(GATE)
    code, out, err = stage.launch()
    assert (code, err) == (0, ""), err
    assert "search 6/6, shortlist 8/8, confirm 2/2" in out
    assert out.splitlines()[-1] == f"almkd ui --runs-dir {stage.places.runs_dir} shows every run"
    undisturbed = launched_in_process(
        read_spec(str(stage.laptop / "faults.yaml"), []), Places(tmp_path / "here"), monkeypatch
    )
    pd.testing.assert_frame_equal(
        comparison_table(open_store(stage.places).record("faults"), 0),
        comparison_table(undisturbed, 0),
    )


def _nothing_goes_without_the_token(stage: Stage) -> None:
    code, out, err = stage.launch(RAY_AUTH_TOKEN="another-token-which-is-not-the-clusters")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "takes commands with its token only" in err
    assert "another-token" not in err


def _ends_with_its_client(stage: Stage) -> None:
    """A client that is killed in mid-search leaves true states and no process, and no lock."""
    process = stage.start()
    wait_for(lambda: process.poll() is not None or written(stage.places.runs_dir) >= FIRST_ASKED)
    # Nothing can end from here on, however long the next lines take.
    stage.cluster.kill_node()
    assert process.poll() is None, process.communicate()
    # The command, which has left a directory that is Ray's, and two that keep it.
    assert [p.cwd() for p in stage.on_the_head].count(str(stage.places.runs_dir)) == 1
    assert len(stage.on_the_head) == 3
    process.kill()
    process.communicate()
    wait_for(lambda: not stage.on_the_head)
    assert not is_locked(stage.places.sweep("faults"))
    assert "WAITING" in stage.states()
    assert "RUNNING" not in stage.states()


def _ends_by_ctrl_c(stage: Stage) -> None:
    """Ctrl-C is heard on the head, and what it prints then is shown here."""
    process = stage.start()
    # At once: most of what it trains with is still being loaded.
    wait_for(lambda: process.poll() is not None or is_locked(stage.places.sweep("faults")))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130, err
    assert err == "almkd: interrupted; the same command goes on from here\n"
    assert not is_locked(stage.places.sweep("faults"))
    assert "WAITING" in stage.states()
    assert "RUNNING" not in stage.states()

"""A sweep on a cluster, from a machine with its address and token: submit, look, stop.

The rehearsal (`tests/rehearsal`) goes on from there.
"""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow import MlflowClient

from tests.faults.cluster import (
    DEADLINE,
    GATE,
    ROOT,
    TOKEN,
    RayCluster,
    head_environment,
    ray_cluster,
    wait_for,
)
from tests.faults.launcher import (
    COMMAND,
    FIRST_ASKED,
    SPEC,
    trial_states,
    write_spec,
)

OTHER_TOKEN = {**TOKEN, "RAY_AUTH_TOKEN": "another-token-which-is-not-the-clusters"}
NO_TOKEN = {"RAY_AUTH_MODE": "disabled"}
# Trained on nodes that were started with a gate, and nowhere else.
GATED = SPEC + "resources: {custom: {gate: 0.5}}\n"


def _almkd(words: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """The command on the user's machine, in an empty directory: exit code and all it said."""
    ended = subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout + ended.stderr


def _jobs_of(text: str) -> list[str]:
    """The ids of jobs that a text names, each once."""
    return sorted({word.strip(",;") for word in text.split() if word.startswith("faults-20")})


def _statuses(runs: Path) -> set[str]:
    client = MlflowClient(f"sqlite:///{runs / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("faults")
    return {run.info.status for run in client.search_runs([experiment.experiment_id])}


def test_a_submitted_sweep_is_told_and_stopped(tmp_path: Path) -> None:
    laptop, runs = tmp_path / "laptop", tmp_path / "runs"
    laptop.mkdir()
    write_spec(laptop, GATED)
    with ray_cluster(head_environment(tmp_path)) as cluster:
        here = ("--address", cluster.dashboard)

        def almkd(*words: str, **environment: str) -> tuple[int, str]:
            return _almkd((*words, *here), laptop, {**TOKEN, **environment})

        _nothing_goes_without_the_token(almkd)
        code, said = almkd("launch", "faults.yaml")
        assert code == 0, said
        (job,) = _jobs_of(said)
        code, said = almkd("launch", "faults.yaml")
        assert code == 2
        assert "is on" in said
        assert _jobs_of(said) == [job]
        _stopped_in_the_middle(cluster, almkd, runs)
        assert "interrupted; the same command goes on" in almkd("logs", "faults")[1]


def _nothing_goes_without_the_token(almkd: Callable[..., tuple[int, str]]) -> None:
    launch = ("launch", "faults.yaml")
    for token, words in ((NO_TOKEN, launch), (OTHER_TOKEN, launch), (OTHER_TOKEN, ("list",))):
        code, said = almkd(*words, **token)
        assert code == 2
        assert said.count("\n") == 1
        assert "with its token only" in said
        assert "another-token" not in said
    assert "no job of" in almkd("status", "faults")[1]


def _stopped_in_the_middle(
    cluster: RayCluster, almkd: Callable[..., tuple[int, str]], runs: Path
) -> None:
    """It trains when and where there is a gate, and leaves true states when it is stopped."""
    journal = runs / "faults" / "optuna.journal"
    cluster.add_node(GATE)
    wait_for(lambda: journal.exists() and journal.read_bytes().count(b"\n") >= FIRST_ASKED)
    # Nothing can end from here on, however long the next lines take.
    cluster.kill_node(1)
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{runs}/mlflow.db"}
    code, said = almkd("status", "faults", "--format", "json", **store)
    assert code == 0, said
    seen = json.loads(said)
    assert (seen["state"], seen["job"]["state"]) == ("running", "running")
    assert sum(cell["asked"] for cell in seen["cells"]) >= 3
    code, said = almkd("stop", "faults")
    assert code == 0, said
    assert "stopped at" in said
    assert "goes on from here" in said, almkd("logs", "faults")[1]
    assert "RUNNING" not in _statuses(runs) | set(trial_states(runs).values())
    assert "WAITING" in trial_states(runs).values()
    assert '"state": "interrupted"' in almkd("status", "faults", "--format", "json", **store)[1]
    assert almkd("stop", "faults")[0] == 2

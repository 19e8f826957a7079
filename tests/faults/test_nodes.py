"""A cluster that loses a node, then its head: the first costs what it had in flight, no more.

And one that gains a node.
"""

import signal
import time
from pathlib import Path

import pandas as pd

from tests.faults.cluster import ENVIRONMENT, ray_cluster
from tests.faults.launcher import (
    FIRST_ASKED,
    SEARCH_UNDER_WAY,
    SPEC,
    assert_whole,
    run,
    same,
    start,
    table,
    wait_for_trials,
    write_spec,
)


def test_a_lost_node_and_then_a_lost_head_change_no_result(
    tmp_path: Path, undisturbed: pd.DataFrame
) -> None:
    spec, runs = write_spec(tmp_path), tmp_path / "runs"
    with ray_cluster() as cluster:
        process = start(spec, runs, "--address", cluster.address, environment=ENVIRONMENT)
        wait_for_trials(process, runs, FIRST_ASKED)
        cluster.kill_node()
        cluster.add_node()
        wait_for_trials(process, runs, SEARCH_UNDER_WAY)
        cluster.kill_head()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1, output
        assert "Traceback" not in output
    run(spec, runs)
    assert_whole(runs)
    assert same(table(runs), undisturbed)


def test_a_node_that_joins_trains_beside_the_others(tmp_path: Path) -> None:
    # Long enough that the node which joins finds it at work.
    spec = write_spec(tmp_path, SPEC.replace("epochs: 8", "epochs: 100000"))
    with ray_cluster() as cluster:
        process = start(
            spec, tmp_path / "runs", "--address", cluster.address, environment=ENVIRONMENT
        )
        wait_for_trials(process, tmp_path / "runs", FIRST_ASKED)
        cluster.add_node()
        deadline = time.monotonic() + 120
        while not all(cluster.training()):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, cluster.training()
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 130, output

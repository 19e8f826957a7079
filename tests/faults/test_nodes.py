"""A cluster that loses a node, then its head: the first costs what it had in flight, no more.

A node that joins is used, as the rehearsal (`tests/rehearsal`) shows too.
"""

from pathlib import Path

import pandas as pd

from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from tests.faults.cluster import ENVIRONMENT, ray_cluster
from tests.faults.launcher import (
    FIRST_ASKED,
    ONE_AT_A_TIME,
    SEARCH_UNDER_WAY,
    assert_whole,
    run,
    start,
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
    run(spec, runs, *ONE_AT_A_TIME)
    assert_whole(runs)
    pd.testing.assert_frame_equal(
        comparison_table(open_store(Places(runs)).record("faults"), 0), undisturbed
    )

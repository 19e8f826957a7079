"""Runs of one sweep copied into another one of the same store, as if trained there."""

import json
import tempfile
from collections.abc import Iterable

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.adapters.mlflow.known import STATUS
from sweep.adapters.mlflow.requests import METRICS_PER_REQUEST
from sweep.adapters.mlflow.runs import StoredRun
from sweep.referee.states import ENDED, State

# Tags of a run that was copied: the sweep and the run that it was trained as.
TAKEN_FROM, TAKEN_RUN = "taken_over_from", "taken_over_run"
# A tag of the parent run: from which sweep how many runs were copied.
TAKEN_OVER = "taken_over"


def copy_runs(
    client: MlflowClient, runs: Iterable[StoredRun], parent_id: str, experiment_id: str
) -> int:
    """Copy runs that ended, with all they have, below another parent; how many.

    A copy is called interrupted until it is whole: one that was broken off is trained.
    """
    parent = client.get_run(parent_id)
    own = {
        "sweep": parent.data.tags["sweep"],
        "spec_hash": parent.data.tags["spec_hash"],
        MLFLOW_PARENT_RUN_ID: parent_id,
    }
    count, source = 0, ""
    for run in runs:
        source = run.tags["sweep"]
        taken = {TAKEN_FROM: run.tags.get(TAKEN_FROM, source), TAKEN_RUN: run.run_id}
        tags = {**run.tags, **own, **taken, "state": "interrupted"}
        copy = client.create_run(
            experiment_id, start_time=run.start, run_name=run.tags["key"], tags=tags
        )
        _copy_content(client, run, copy.info.run_id)
        client.set_tag(copy.info.run_id, "state", run.tags["state"])
        state: State = next(state for state in ENDED if state == run.tags["state"])
        client.set_terminated(copy.info.run_id, STATUS[state], end_time=run.end)
        count += 1
    if count:
        client.set_tag(parent_id, TAKEN_OVER, json.dumps({"sweep": source, "runs": count}))
    return count


def _copy_content(client: MlflowClient, run: StoredRun, run_id: str) -> None:
    """Parameters, every value of every metric, inputs and files."""
    params = [Param(name, value) for name, value in run.params.items()]
    client.log_batch(run_id, params=params)
    values = [
        Metric(name, point.value, point.timestamp, point.step)
        for name in run.metrics
        for point in client.get_metric_history(run.run_id, name)
    ]
    for start in range(0, len(values), METRICS_PER_REQUEST):
        client.log_batch(run_id, metrics=values[start : start + METRICS_PER_REQUEST])
    read = client.get_run(run.run_id).inputs
    if read and read.dataset_inputs:
        client.log_inputs(run_id, read.dataset_inputs)
    if client.list_artifacts(run.run_id):
        with tempfile.TemporaryDirectory() as place:
            client.log_artifacts(run_id, client.download_artifacts(run.run_id, "", place))

"""Metrics written in bulk are what MLflow's own client would have written."""

import math

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from sweep.adapters.mlflow_metrics import MetricSink
from sweep.adapters.mlflow_store import local_uri
from sweep.run import Places

VALUES = (0.1 + 0.2, -1e-300, math.nan, math.inf, -math.inf, 0.0)
METRICS = [Metric(name, value * scale, 1000 + step, step)
           for step, value in enumerate(VALUES)
           for name, scale in (("loss", 1.0), ("accuracy", -2.0))]  # fmt: skip


@pytest.fixture
def client(places: Places) -> MlflowClient:
    return MlflowClient(tracking_uri=local_uri(places.database))


def _new_run(client: MlflowClient) -> str:
    return str(client.create_run("0").info.run_id)


def _all(client: MlflowClient, run_id: str) -> list[str]:
    found = client.get_run(run_id).data.metrics.items()
    curves = [m for name, _ in found for m in client.get_metric_history(run_id, name)]
    rows = [(m.key, repr(m.value), m.step, m.timestamp) for m in curves]
    return sorted(map(str, [*rows, *((name, repr(value)) for name, value in found)]))


def test_bulk_is_as_one_by_one(client: MlflowClient, places: Places) -> None:
    ours, theirs = _new_run(client), _new_run(client)
    sink = MetricSink(local_uri(places.database))
    sink.write(ours, METRICS[:5])
    sink.write(ours, METRICS[5:])
    client.log_batch(theirs, metrics=METRICS)
    assert _all(client, ours) == _all(client, theirs)
    assert len(_all(client, ours)) == len(METRICS) + 2


def test_writing_again_changes_nothing(client: MlflowClient, places: Places) -> None:
    run_id = _new_run(client)
    sink = MetricSink(local_uri(places.database))
    sink.write(run_id, METRICS)
    before = _all(client, run_id)
    sink.write(run_id, METRICS[:3])
    sink.write(run_id, METRICS)
    sink.write(run_id, [])
    assert _all(client, run_id) == before

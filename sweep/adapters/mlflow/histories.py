"""Curves from MLflow, many runs to a request.

MLflow's client gives the history of one metric of one run at a time. A database is asked instead
for all metrics of some hundred runs in one query; a server, which has no such query, for one
metric of a hundred runs, by the route that its own dashboard reads. Any other store is asked run by
run.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import SqlMetric
from mlflow.store.tracking.rest_store import RestStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.rest_utils import http_request, verify_rest_response
from sqlalchemy import select

from sweep.adapters.mlflow.known import EPOCHS, EXAMPLES, STEPS

BULK_ROUTE = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
# What the route takes and gives at most; a longer answer is cut short without a word.
RUNS_PER_REQUEST = 100
VALUES_PER_REQUEST = 25_000

Point = tuple[str, str, int, float, int]  # run, metric, epoch, value, milliseconds


def is_curve(metric: str) -> bool:
    """Whether a metric is logged every epoch, and not once, when its run ends."""
    return metric not in {EPOCHS, EXAMPLES, STEPS} and not metric.startswith(("best_", "test_"))


class MlflowHistories:
    """`sweep.compare.curves.Histories` over a tracking store."""

    def __init__(self, uri: str) -> None:
        self._store = _get_store(uri)  # type: ignore[no-untyped-call]
        self._client = MlflowClient(tracking_uri=uri)

    def read(self, run_ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
        """Rows (run_id, epoch, one column per metric), by run and epoch; NaN where not logged."""
        if isinstance(self._store, SqlAlchemyStore):
            points = self._from_database(self._store, run_ids, metrics)
        elif isinstance(self._store, RestStore):
            points = self._from_server(self._store, run_ids, metrics)
        else:
            points = self._one_by_one(run_ids, metrics)
        return _to_frame(points, metrics)

    def _from_database(
        self, store: SqlAlchemyStore, run_ids: Sequence[str], metrics: Sequence[str]
    ) -> Iterator[Point]:
        m = SqlMetric
        query: Any = select(m.run_uuid, m.key, m.step, m.value, m.is_nan, m.timestamp)
        # Not the column but a text made of it: SQLite would read all runs by metric, for every
        # page, rather than the runs of the page and pass over the other metrics.
        query = query.where(m.run_uuid.in_(run_ids), (m.key + "").in_(metrics))
        with store.ManagedSessionMaker() as session:
            for run_id, key, step, value, is_nan, time in session.execute(query):
                yield run_id, key, step, math.nan if is_nan else value, time

    def _from_server(
        self, store: RestStore, run_ids: Sequence[str], metrics: Sequence[str]
    ) -> Iterator[Point]:
        for start in range(0, len(run_ids), RUNS_PER_REQUEST):
            for metric in metrics:
                yield from self._request(store, run_ids[start : start + RUNS_PER_REQUEST], metric)

    def _request(self, store: RestStore, run_ids: Sequence[str], metric: str) -> list[Point]:
        """One metric of up to a hundred runs; asked for in halves where the answer is cut short."""
        params = {"run_id": list(run_ids), "metric_key": metric, "max_results": VALUES_PER_REQUEST}
        response = http_request(  # type: ignore[no-untyped-call]
            store.get_host_creds(), BULK_ROUTE, "GET", params=params
        )
        found = verify_rest_response(response, BULK_ROUTE).json()["metrics"]
        if len(found) < VALUES_PER_REQUEST:
            return [
                (row["run_id"], metric, row["step"], float(row["value"]), row["timestamp"])
                for row in found
            ]
        if len(run_ids) == 1:
            return list(self._one_by_one(run_ids, [metric]))
        half = len(run_ids) // 2
        parts = (run_ids[:half], run_ids[half:])
        return [point for part in parts for point in self._request(store, part, metric)]

    def _one_by_one(self, run_ids: Sequence[str], metrics: Sequence[str]) -> Iterator[Point]:
        for run_id in run_ids:
            for metric in metrics:
                for point in self._client.get_metric_history(run_id, metric):
                    yield run_id, metric, point.step, float(point.value), point.timestamp


def _to_frame(points: Iterator[Point], metrics: Sequence[str]) -> pd.DataFrame:
    """One row per run and epoch; of a value written twice the later counts."""
    columns = ["run_id", "metric", "epoch", "value", "time"]
    long = pd.DataFrame(points, columns=columns)
    long = long.sort_values(["run_id", "epoch", "time"], kind="stable")
    long = long.drop_duplicates(["run_id", "epoch", "metric"], keep="last")
    wide = long.pivot(index=["run_id", "epoch"], columns="metric", values="value")
    wide = wide.reindex(columns=list(metrics)).astype(np.float64)
    wide.columns.name = None
    return wide.reset_index().astype({"run_id": str, "epoch": np.int64})

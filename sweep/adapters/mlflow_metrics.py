"""Many metrics into a tracking store at once.

MLflow makes an object of every value on its way into a database, which costs some 40 ms for the
curves of one run, more than a short trial takes to train. Into SQLite, which belongs to the sweep
alone while it runs, values go row by row of the same tables; a server gets them by requests.
"""

import math
from collections.abc import Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _get_store
from sqlalchemy.dialects.sqlite import insert

# The most that MLflow takes in one request.
METRICS_PER_REQUEST = 1000
# What MLflow keeps in place of an infinite value.
LARGEST = 1.7976931348623157e308


class MetricSink:
    """Where a sweep's metrics go; a metric that is there already is left as it is."""

    def __init__(self, uri: str) -> None:
        self._client = MlflowClient(tracking_uri=uri)
        self._store: Any = None
        if uri.startswith("sqlite"):
            self._store = _get_store(uri)  # type: ignore[no-untyped-call]

    def write(self, run_id: str, metrics: Sequence[Metric]) -> None:
        """Metrics of one run, in the order in which they were measured."""
        if not metrics:
            return
        if isinstance(self._store, SqlAlchemyStore):
            self._insert(self._store, [_row(run_id, metric) for metric in metrics])
            return
        for start in range(0, len(metrics), METRICS_PER_REQUEST):
            part = metrics[start : start + METRICS_PER_REQUEST]
            self._client.log_batch(run_id, metrics=part)

    def _insert(self, store: SqlAlchemyStore, rows: list[dict[str, Any]]) -> None:
        latest = {row["key"]: row for row in rows}
        replace = insert(SqlLatestMetric)
        replace = replace.on_conflict_do_update(
            index_elements=["key", "run_uuid"],
            set_={
                name: replace.excluded[name] for name in ("value", "timestamp", "step", "is_nan")
            },
            where=SqlLatestMetric.step <= replace.excluded.step,
        )
        with store.ManagedSessionMaker(read_only=False) as session:
            session.connection().execute(insert(SqlMetric).on_conflict_do_nothing(), rows)
            session.connection().execute(replace, list(latest.values()))


def _row(run_id: str, metric: Metric) -> dict[str, Any]:
    """A metric as the tables hold it: NaN as 0 with a mark, an infinite value as the largest."""
    value = float(metric.value)
    if math.isnan(value):
        kept = 0.0
    else:
        kept = math.copysign(LARGEST, value) if math.isinf(value) else value
    return {
        "run_uuid": run_id,
        "key": metric.key,
        "value": kept,
        "is_nan": math.isnan(value),
        "timestamp": metric.timestamp,
        "step": metric.step,
    }

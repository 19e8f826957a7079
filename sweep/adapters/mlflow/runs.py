"""Many runs of a tracking store, page by page, as plain values.

A database is read with four queries a page: MLflow's own search builds an object for every tag and
metric, which takes several times as long. Any other store is searched through MLflow's client.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import (
    SqlLatestMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking._tracking_service.utils import _get_store
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from sqlalchemy import Connection, select

RUNS_PER_PAGE = 1000


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it; times in milliseconds since 1970, the end None while it runs."""

    run_id: str
    start: int
    end: int | None
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]


def children(uri: str, experiment_id: str, parent_id: str) -> Iterator[StoredRun]:
    """The child runs of a parent that are not deleted, in the order in which they started.

    Runs that start meanwhile come last: no page shifts, and none is read twice.
    """
    store = _get_store(uri)  # type: ignore[no-untyped-call]
    if isinstance(store, SqlAlchemyStore):
        return _from_database(store, experiment_id, parent_id)
    return _from_client(MlflowClient(tracking_uri=uri), experiment_id, parent_id)


def _from_client(client: MlflowClient, experiment_id: str, parent_id: str) -> Iterator[StoredRun]:
    token: str | None = None
    while True:
        page = client.search_runs(
            [experiment_id],
            f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent_id}'",
            max_results=RUNS_PER_PAGE,
            order_by=["attributes.start_time ASC"],
            page_token=token,
        )
        for run in page:
            info, data = run.info, run.data
            yield StoredRun(
                info.run_id, info.start_time, info.end_time, data.tags, data.params, data.metrics
            )
        token = page.token
        if not token:
            return


def _from_database(
    store: SqlAlchemyStore, experiment_id: str, parent_id: str
) -> Iterator[StoredRun]:
    wanted: Any = (
        select(SqlRun.run_uuid, SqlRun.start_time, SqlRun.end_time)
        .join(SqlTag, SqlTag.run_uuid == SqlRun.run_uuid)
        .where(
            SqlRun.experiment_id == int(experiment_id),
            SqlRun.lifecycle_stage == "active",
            SqlTag.key == MLFLOW_PARENT_RUN_ID,
            SqlTag.value == parent_id,
        )
        .order_by(SqlRun.start_time, SqlRun.run_uuid)
    )
    with store.ManagedSessionMaker() as session:
        # Of columns alone, which the connection gives as they are.
        connection = session.connection()
        found = [tuple(row) for row in connection.execute(wanted)]
        for place in range(0, len(found), RUNS_PER_PAGE):
            page = found[place : place + RUNS_PER_PAGE]
            ids = [run_id for run_id, _, _ in page]
            tags, params = (_texts(connection, model, ids) for model in (SqlTag, SqlParam))
            metrics = _last_values(connection, ids)
            for run_id, start, end in page:
                yield StoredRun(run_id, start, end, tags[run_id], params[run_id], metrics[run_id])


def _texts(connection: Connection, model: Any, ids: Sequence[str]) -> dict[str, dict[str, str]]:
    """Tags or parameters by run."""
    texts: dict[str, dict[str, str]] = defaultdict(dict)
    query = select(model.run_uuid, model.key, model.value).where(model.run_uuid.in_(ids))
    for run_id, key, value in connection.execute(query).all():
        texts[run_id][key] = value
    return texts


def _last_values(connection: Connection, ids: Sequence[str]) -> dict[str, dict[str, float]]:
    """The last value of every metric by run."""
    m = SqlLatestMetric
    values: dict[str, dict[str, float]] = defaultdict(dict)
    query: Any = select(m.run_uuid, m.key, m.value, m.is_nan).where(m.run_uuid.in_(ids))
    for run_id, key, value, is_nan in connection.execute(query).all():
        values[run_id][key] = math.nan if is_nan else value
    return values
